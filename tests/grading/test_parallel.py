"""Does a class get its grades once each, whatever happens to the machines?"""

import os
import random
import re
import shutil
import socket
import sqlite3
import time

import dask
import psutil
import pytest
from dask.distributed import KilledWorker

from grading import parallel
from grading.tasks import Shared, Task
from tests.course import run
from tests.grading import small

SIZE = 12

leaves_sockets = pytest.mark.filterwarnings(
    "ignore:.*unclosed <(ssl.SSLS|s)ocket:pytest.PytestUnraisableExceptionWarning"
)
"""Dask does not close those to a worker that has died."""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The small course, released once."""
    folder = tmp_path_factory.mktemp("small")
    small.release(folder)
    return folder


@pytest.fixture
def course(released, tmp_path):
    """A copy of it for one test."""
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    return tmp_path


def grade(course, *options):
    return run("python", "-m", "grading", *options, cwd=course)


def rows(course):
    """How many rows there are of everything that a submission brings."""
    with sqlite3.connect(course / "gradebook.db") as database:
        tables = (
            "student",
            "submitted_assignment",
            "submitted_notebook",
            "grade",
            "comment",
            "trusted_grading",
        )
        return {table: database.execute(f"select count(*) from {table}").fetchone()[0] for table in tables}


ONCE_EACH = {
    "student": SIZE,
    "submitted_assignment": SIZE,
    "submitted_notebook": SIZE,
    "grade": 3 * SIZE,
    "comment": 3 * SIZE,
    "trusted_grading": SIZE,
}


def test_a_class_is_graded_and_only_once(course):
    """Does everybody get what they deserve, and a second run find nothing to do?"""
    small.mixed_class(course, SIZE)
    assert re.search(rf"sums +{SIZE} +{SIZE} +0", grade(course))
    assert small.scores(course) == small.expected(SIZE)
    assert rows(course) == ONCE_EACH
    assert re.search(rf"sums +{SIZE} +0 +0", grade(course))


def test_what_is_handed_in_again_is_graded_again(course):
    """Is a changed file noticed, and does its new score take the place of the old?"""
    small.mixed_class(course, 3)
    grade(course)
    small.hand_in(course, "s000")
    assert re.search(r"sums +3 +1 +0", grade(course))
    assert small.scores(course)["s000"] == {"adds_up": 0.0, "counts": 0.0, "use": 0.0}


def test_a_new_release_is_graded_again(course):
    """Are grades out of date when the instructor has changed a test?"""
    small.mixed_class(course, 2)
    grade(course)
    source = course / "source/sums/sums.md"
    source.write_text(source.read_text().replace("== 6", "== 7"))
    run("jupytext", "--quiet", "--to", "ipynb", "source/sums/sums.md", cwd=course)
    run("nbgrader", "generate_assignment", "sums", "--force", cwd=course)
    assert re.search(r"sums +2 +2 +0", grade(course))
    assert small.scores(course)["s000"]["adds_up"] == 0.0


def test_one_student_can_be_graded_alone(course):
    """Does --student leave the others for later?"""
    small.mixed_class(course, 3)
    grade(course, "--student", "s001")
    assert small.scores(course).keys() == {"s001"}


def test_assignment_that_does_not_exist_is_named(course):
    """Does a typing error get a sentence that helps?"""
    process = small.start("-m", "grading", "--assignment", "sum", cwd=course)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no assignment 'sum', but: sums" in said


def test_failures_are_listed_with_their_reasons(course):
    """Can the instructor see who could not be graded, and does the learner's page say why?"""
    small.mixed_class(course, 2)
    (course / "submitted/s001/sums/sums.ipynb").write_text("{not json")
    grade(course)
    assert re.search(r"s001 +The file could not be read: it is not valid JSON", grade(course, "failures"))
    run("nbgrader", "generate_feedback", "sums", cwd=course)
    page = (course / "feedback/s001/sums/sums.html").read_text()
    assert "This submission could not be graded" in page
    assert small.scores(course)["s000"] == small.expected(1)["s000"]


def test_a_grader_that_is_killed_loses_and_doubles_nothing(course):
    """After kill -9 at many moments and the same command again: is each grade there, once?"""
    small.mixed_class(course, SIZE)
    clock = random.Random(0)
    for _ in range(8):
        process = small.start("-m", "grading", cwd=course)
        time.sleep(clock.uniform(1.5, 6.0))
        small.kill(process)
    grade(course)
    assert small.scores(course) == small.expected(SIZE)
    assert rows(course) == ONCE_EACH
    written = sorted(path.parts[-3] for path in (course / "autograded").glob("*/*/sums.ipynb"))
    assert written == sorted(small.expected(SIZE))


@leaves_sockets
def test_a_killed_workers_tasks_go_to_another(monkeypatch):
    """Does each task give one result when a worker dies, and does the next one get what all tasks share?"""

    def slow(sources):
        time.sleep(0.3)
        assert all(parallel._carried[shared].data == b"what all tasks share" for shared, _, _ in sources)
        return [[files["number"]] for _, files, _ in sources]

    monkeypatch.setattr(parallel, "_do", slow)
    with parallel.connected(None, 2) as client:
        came = []
        for number, graded in parallel.results(client, range(32), numbered):
            assert graded == [number]
            came += graded
            if len(came) == 4:
                next(iter(client.cluster.workers.values())).process.process._process.kill()
    assert sorted(came) == list(range(32))


@leaves_sockets
def test_what_ends_its_worker_costs_only_itself(monkeypatch):
    """Are those graded that travel with a submission that no worker survives, or wait for that worker?"""

    def deadly(sources):
        if any(files["number"] == 5 for _, files, _ in sources):
            os._exit(1)
        return [[files["number"]] for _, files, _ in sources]

    monkeypatch.setattr(parallel, "_do", deadly)
    # All that are under way wait at the workers, and are there when they die.
    monkeypatch.setitem(parallel.SETTINGS, "distributed.scheduler.worker-saturation", "inf")
    with parallel.connected(None, 1) as client:
        came = dict(parallel.results(client, range(32), numbered))
    assert isinstance(came.pop(5), KilledWorker)
    assert came == {number: [number] for number in range(32) if number != 5}


@leaves_sockets
def test_a_worker_that_is_long_away_is_waited_for(monkeypatch, tmp_path):
    """Is everything graded although the only worker needs longer to start again than Dask has patience?"""
    slow_start = tmp_path / "slow_start.py"
    slow_start.write_text(
        "import pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "if (here / 'dead').exists() and not (here / 'late').exists():\n"
        "    (here / 'late').touch()\n"
        "    time.sleep(17)\n"
    )

    def dies_once(sources):
        if not (tmp_path / "dead").exists():
            (tmp_path / "dead").touch()
            os._exit(1)
        return [[files["number"]] for _, files, _ in sources]

    monkeypatch.setattr(parallel, "_do", dies_once)
    with (
        dask.config.set({"distributed.worker.preload": [str(slow_start)]}),
        parallel.connected(None, 1) as client,
    ):
        came = dict(parallel.results(client, range(8), numbered))
    assert (tmp_path / "late").exists()
    assert came == {number: [number] for number in range(8)}


@leaves_sockets
def test_a_worker_may_die_while_it_is_sent_what_all_share(monkeypatch, tmp_path):
    """Is it sent again?"""
    mark = tmp_path / "dead"

    class Deadly(Shared):
        def __setstate__(self, state):
            if not mark.exists():
                mark.touch()
                os._exit(1)
            self.__dict__.update(state)

    monkeypatch.setattr(parallel, "_do", lambda sources: [[files["number"]] for _, files, _ in sources])
    with parallel.connected(None, 2) as client:
        came = dict(
            parallel.results(client, range(8), lambda number: Task(Deadly(b""), {"number": number}, b""))
        )
    assert mark.exists()
    assert came == {number: [number] for number in range(8)}


@leaves_sockets
def test_nobody_left_to_grade_is_said(monkeypatch):
    """When the workers do not come back, does it end, and say so?"""
    monkeypatch.setattr(parallel, "_do", lambda sources: os._exit(1))
    monkeypatch.setitem(parallel.SETTINGS, "distributed.scheduler.no-workers-timeout", "2s")
    with parallel.connected(None, 1) as client:
        client.cluster.scale(0)
        with pytest.raises(parallel.NobodyGrades, match="workers are gone"):
            list(parallel.results(client, range(8), numbered))


def test_client_that_is_closed_meanwhile_is_said(monkeypatch):
    """Where nothing can be sent any more, does it end, and say so?"""
    monkeypatch.setattr(parallel, "_do", lambda sources: [[files["number"]] for _, files, _ in sources])
    with parallel.connected(None, 1) as client, pytest.raises(parallel.NobodyGrades, match="does not answer"):
        for _ in parallel.results(client, range(80), numbered):
            client.close()


def test_scheduler_listens_to_its_own_processes_only(tmp_path):
    """Is somebody else on this machine, who could have it run anything, turned away?"""
    with parallel.connected(None, 1) as client:
        address = client.scheduler.address
        for wrong in (address, address.replace("tls", "tcp")):
            client_of = f"from distributed import Client; client = Client({wrong!r}, timeout='5s')"
            asks = f"{client_of}; print(client.submit(sum, (1, 2)).result())"
            stranger = small.start("-c", asks, cwd=tmp_path)
            said, _ = stranger.communicate(timeout=60)
            assert stranger.returncode == 1, said
            assert "Error" in said
        assert client.submit(sum, (1, 2)).result() == 3


def test_what_has_been_graded_takes_no_memory(monkeypatch):
    """Is the grader as large after 1200 submissions as after 200, though each brings and leaves 40 kB?"""
    monkeypatch.setattr(parallel, "_do", lambda sources: [[bytes(40_000)] for _ in sources])

    def task(number):
        return Task(Shared(b"what all tasks share"), {"source": os.urandom(40_000)}, b"")

    sizes = []
    with parallel.connected(None, 2) as client:
        for done, _ in enumerate(parallel.results(client, range(1200), task)):
            if done in (200, 1199):
                sizes.append(psutil.Process().memory_info().rss)
    assert sizes[1] - sizes[0] < 20e6


def test_each_worker_keeps_to_its_core():
    """Where there is a worker for each core, has each one of its own?"""
    with parallel.connected(None, len(os.sched_getaffinity(0))) as client:
        cores = client.run(os.sched_getaffinity, 0)
    assert sorted(core for (core,) in cores.values()) == sorted(os.sched_getaffinity(0))


def numbered(number):
    """A task that holds no more than a number."""
    return Task(Shared(b"what all tasks share"), {"number": number}, b"")


def start_worker(address, folder, threads="1"):
    """A worker of the scheduler at `address`, as an instructor starts it."""
    command = "-m", "dask", "worker", address, "--nthreads", threads, "--no-dashboard"
    return small.start(*command, cwd=folder)


@pytest.fixture
def elsewhere(tmp_path_factory, request):
    """A scheduler and workers in another folder: its address, and the processes, the scheduler first."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
    processes = [small.start(*scheduler, cwd=folder)]
    for threads in getattr(request, "param", ["1", "4"]):
        processes.append(start_worker(address, folder, threads))
    yield address, processes
    for process in processes:
        small.kill(process)


@pytest.mark.parametrize("elsewhere", [[]], indirect=True)
def test_scheduler_without_workers_is_named(course, elsewhere):
    """Is the instructor told what to start, and does the command wait for it?"""
    address, processes = elsewhere
    small.mixed_class(course, 2)
    grader = small.start("-m", "grading", "--scheduler", address, cwd=course)
    assert f"Start some with: dask worker {address}" in grader.stdout.readline()
    processes.append(start_worker(address, course))
    said, _ = grader.communicate(timeout=120)
    assert grader.returncode == 0, said
    assert small.scores(course) == small.expected(2)


def test_workers_elsewhere_need_no_shared_folder(course, elsewhere):
    """Do workers of another scheduler, which cannot see the course, grade it, with any number of threads?"""
    small.mixed_class(course, SIZE)
    grade(course, "--scheduler", elsewhere[0])
    assert small.scores(course) == small.expected(SIZE)


def test_scheduler_that_is_lost_is_named_and_the_rest_graded_later(course, elsewhere, monkeypatch):
    """Is what came before kept, and does the command end with a sentence, not wait for ever?"""
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    address, processes = elsewhere
    small.mixed_class(course, 60)
    grader = small.start("-m", "grading", "--scheduler", address, cwd=course)
    while not list((course / "autograded").glob("*/*/sums.ipynb")):
        time.sleep(0.05)
    small.kill(processes.pop(0))
    said, _ = grader.communicate(timeout=120)
    assert grader.returncode == 1
    assert "stopped: the " in said
    grade(course)
    assert small.scores(course) == small.expected(60)


def test_scheduler_that_does_not_exist_is_named(course, monkeypatch):
    """Does a wrong address get a sentence that helps?"""
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    small.mixed_class(course, 1)
    for wrong in "tcp://127.0.0.1:9", "127.0.0.1:port", "nonsense://here:1", "tls://127.0.0.1:9":
        process = small.start("-m", "grading", "--scheduler", wrong, cwd=course)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 1
        assert f"no Dask scheduler answers at {wrong!r}" in said
        assert "Traceback" not in said


def test_two_graders_share_a_gradebook(course):
    """Do two at once leave one grade for each, and does neither hear that the database is locked?"""
    small.mixed_class(course, SIZE)
    graders = [small.start("-m", "grading", "--workers", "1", cwd=course) for _ in range(2)]
    said = [grader.communicate(timeout=120)[0] for grader in graders]
    assert [grader.returncode for grader in graders] == [0, 0], said
    assert "locked" not in "".join(said)
    assert small.scores(course) == small.expected(SIZE)
    assert rows(course) == ONCE_EACH
