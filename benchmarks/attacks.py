"""What does each attack get from plain nbgrader, and what from this course's grader?

Every submission of ``tests/grading/attacks`` is graded twice, each time by itself: by nbgrader's own
step, which runs here inside bubblewrap with a limit of time and memory, so that it can be tried at all;
and by this grader. Writes ``results/attacks.json`` (about half an hour).

Usage: ``python -m benchmarks.attacks`` in the repository's folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from tqdm import tqdm

from benchmarks import result_files
from benchmarks.grading_speed import ROOT, course
from tests.grading.attacks import (  # noqa: F401
    cells,
    delegating,
    ending,
    files,
    looking,
    protocol,
    torch_delegating,
    torch_lasting,
    torch_values,
    verdicts,
)
from tests.grading.attacks.submission import ATTACKS, TORCH_ATTACKS, Attacks, World, hand_in

STUDENT = "attacker"
SECONDS = 150
MEMORY = 8 << 30
LIMITS = """
c.TrustedGrader.cell_seconds = 2
c.TrustedGrader.call_seconds = 2
c.TrustedGrader.submission_seconds = 30
c.TrustedGrader.memory = 500 << 20
"""


@contextmanager
def handed_in(folder: Path, attacks: Attacks, name: str) -> Iterator[Path]:
    """A copy of the course in which the attacker alone has handed in."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        here = Path(copy)
        world = World(here, here / "open", 9, here / "socket")
        world.open_folder.mkdir()
        exercise = nbformat.read(
            here / f"exercises/{attacks.assignment}/{attacks.assignment}.ipynb", as_version=4
        )
        hand_in(attacks, name, exercise, world, here / "course/submitted", STUDENT)
        yield here


def confined(folder: Path) -> list[str]:
    """What keeps plain nbgrader, and whoever has taken it over, within a copy of the course."""
    words = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    for seen in (sys.prefix, str(ROOT)):
        words += ["--ro-bind", seen, seen]
    words += ["--bind", str(folder), str(folder), "--setenv", "HOME", str(folder), "--chdir", str(folder)]
    words += ["--unshare-all", "--die-with-parent"]
    return [*words, "prlimit", f"--as={MEMORY}", "--nproc=200", f"--fsize={1 << 30}"]


def points(folder: Path, assignment: str, prefix: list[str]) -> str:
    """What the attacker has after ``nbgrader autograde``, in words."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    command = [*prefix, shutil.which("nbgrader", path=path), "autograde", assignment]
    try:
        subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "does not end"
    with Gradebook(f"sqlite:///{folder}/course/gradebook.db", "bn-course") as gradebook:
        try:
            submission = gradebook.find_submission(assignment, STUDENT)
        except MissingEntry:
            return "no grade"
        graded = (folder / f"course/autograded/{STUDENT}/{assignment}").exists()
        return f"{submission.score:g} points" if graded else "no grade"


def compare(attacks: Attacks) -> list[dict]:
    """Try every attack on a problem set with both graders."""
    records = []
    with course(attacks.assignment, plain=True) as plain, course(attacks.assignment, plain=False) as ours:
        settings = ours / "nbgrader_config.py"
        settings.write_text(settings.read_text() + LIMITS)
        for name, attack in tqdm(attacks.items(), unit="attack", disable=None):
            got = {}
            for grader, folder, prefix in (("plain", plain, confined), ("ours", ours, lambda folder: [])):
                with handed_in(folder, attacks, name) as here:
                    got[grader] = points(here, attacks.assignment, prefix(here))
            deserved = sum(attack.deserves.values())
            says = (attack.write.__doc__ or "").strip()
            record = {"assignment": attacks.assignment, "attack": name, "says": says}
            records.append(record | {"deserves": f"{deserved:g} points", **got})
    return records


def main() -> None:
    """Try all attacks."""
    records = [record for attacks in (ATTACKS, TORCH_ATTACKS) for record in compare(attacks)]
    result_files.write("attacks", ("nbgrader",), {"records": records})


if __name__ == "__main__":
    main()
