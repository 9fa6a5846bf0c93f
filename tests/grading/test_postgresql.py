"""Does PostgreSQL serve as the gradebook, with several graders writing at once?"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.course import run
from tests.grading import small

SIZE = 8


def binaries():
    """Where PostgreSQL's programs are: Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    here = shutil.which("initdb")
    return Path(here).parent if here else found[-1].parent if found else None


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server of our own, on a Unix socket; the URL of its database."""
    bin_ = binaries()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed; on Debian or Ubuntu: apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # The server refuses to run as root.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def call(*command):
        subprocess.run(
            [str(bin_ / command[0]), *command[1:]], check=True, cwd="/", capture_output=True, **who
        )

    data, options = str(folder / "data"), f"-k {folder} -c listen_addresses=''"
    call("initdb", "-D", data, "-A", "trust", "-U", "grader", "-E", "UTF8", "--locale=C")
    call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://grader@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def test_several_writers_share_a_postgresql_gradebook(server, tmp_path):
    """Is every grade there once, and do nbgrader's own commands work on it?"""
    small.release(tmp_path)
    config = tmp_path / "nbgrader_config.py"
    config.write_text(config.read_text() + f"\nc.CourseDirectory.db_url = {server!r}\n")
    run("nbgrader", "generate_assignment", "sums", "--force", cwd=tmp_path)
    small.mixed_class(tmp_path, SIZE)
    graders = [small.start("-m", "grading", "--workers", "1", cwd=tmp_path) for _ in range(2)]
    said = [grader.communicate(timeout=120)[0] for grader in graders]
    assert [grader.returncode for grader in graders] == [0, 0], said
    assert small.scores(tmp_path, server) == small.expected(SIZE)
    run("nbgrader", "autograde", "sums", "--force", "--student", "s001", cwd=tmp_path)
    run("nbgrader", "generate_feedback", "sums", cwd=tmp_path)
    run("nbgrader", "export", cwd=tmp_path)
    assert "s001" in (tmp_path / "grades.csv").read_text()
    assert len(list((tmp_path / "feedback").glob("*/sums/sums.html"))) == SIZE
