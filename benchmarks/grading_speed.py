"""How long does it take to grade a class, with this course's grader, plain nbgrader and Otter-Grader?

A course is copied to a temporary folder, the sample class hands in again and again under other names,
and each grader grades a class. The time from the first results to the last one, divided by how many came
in it, is the cost of one more submission: what it takes to start is not in it.

Otter-Grader is installed for it, into an environment of its own that sees this one's packages. Its tests
are the same calls of ``check``, without parts of points; ``otter run`` is what it offers without Docker, and
starts anew for each submission.

Usage: ``python -m benchmarks.grading_speed`` (half an hour), with ``--scale`` for the growth with the
class and what a second worker brings (a quarter of an hour; ``--largest N`` for more). Writes
``results/grading_*.json``.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median

import jupytext
import nbformat

from benchmarks import result_files
from grading.books import gradings, open_gradebook
from grading.sample_class import fill_in

ROOT = Path(__file__).parent.parent
PACKAGES = ("nbgrader", "distributed", "torch")
PLAIN = "nbgrader autograde"
TWO = "two of them at once"
OTTER = "otter run"
OTTER_PACKAGE = "otter-grader==7.0.0"
OURS = "python -m grading"
CLASS, STARTED = 24, 4
"""The size of the class, and after how many results everything has started."""

ROUNDS = 2
"""How often each grader grades it, in turns; the shortest time counts."""

SHARED = 120
"""The size of the class that one worker grades, and then two."""


@contextmanager
def course(assignment: str, plain: bool) -> Iterator[Path]:
    """A copy of the course with one assignment released; `plain` leaves nbgrader's own grader in place."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = folder / "solutions" / assignment
        source.mkdir(parents=True)
        (folder / "course").mkdir()
        shutil.copy(ROOT / "solutions" / assignment / f"{assignment}.md", source)
        config = (ROOT / "nbgrader_config.py").read_text()
        (folder / "nbgrader_config.py").write_text(config.replace("\ninstall()\n", "\n") if plain else config)
        call("jupytext", "--quiet", "--to", "ipynb", f"solutions/{assignment}/{assignment}.md", cwd=folder)
        call("nbgrader", "generate_assignment", assignment, cwd=folder)
        yield folder


def call(*command: str, cwd: Path) -> None:
    """Run a command of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    program = shutil.which(command[0], path=path)
    subprocess.run([program, *command[1:]], cwd=cwd, env=environment, check=True, capture_output=True)


def hand_in(folder: Path, assignment: str, size: int) -> None:
    """Let a class of this size hand in; nothing is graded yet."""
    exercise = nbformat.read(folder / f"exercises/{assignment}/{assignment}.ipynb", as_version=4)
    samples = sorted(ROOT.glob(f"samples/*/{assignment}.md"))
    written = [nbformat.writes(fill_in(exercise, jupytext.read(sample))) for sample in samples]
    for name in ("submitted", "autograded"):
        shutil.rmtree(folder / "course" / name, ignore_errors=True)
    for number in range(size):
        target = folder / f"course/submitted/s{number:05}/{assignment}"
        target.mkdir(parents=True)
        (target / f"{assignment}.ipynb").write_text(written[number % len(written)])


def seconds(folder: Path, grader: str, assignment: str, *options: str) -> float:
    """How long `grader` takes for what has been handed in."""
    start = time.perf_counter()
    if grader == OURS:
        # By force: what a smaller class has handed in before is graded again, as by the others.
        call("python", "-m", "grading", "--assignment", assignment, "--force", *options, cwd=folder)
    elif grader == PLAIN:
        call("nbgrader", "autograde", assignment, cwd=folder)
    else:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
        halves = [
            subprocess.Popen(
                ["nbgrader", "autograde", assignment, "--student", f"s0*[{digits}]"],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for digits in ("02468", "13579")
        ]
        for half in halves:
            half.wait()
    return time.perf_counter() - start


def each(folder: Path, assignment: str) -> float:
    """The cost of one more submission, by when the graded notebooks were written."""
    written = folder.glob(f"course/autograded/*/{assignment}/{assignment}.ipynb")
    when = sorted(file.stat().st_mtime for file in written)
    return (when[-1] - when[STARTED - 1]) / (len(when) - STARTED)


@contextmanager
def otter_environment() -> Iterator[Path]:
    """A temporary environment with Otter-Grader and all that this one has; gives the path of its command."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", OTTER_PACKAGE], check=True)
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True)
        seen_too = Path(packages.stdout.strip()) / "this_environment.pth"
        seen_too.write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
        yield Path(folder) / "bin/otter"


def otter_tests(assignment: str, folder: Path) -> None:
    """Write the problem set's test cells as Otter-Grader's tests, one file each."""
    folder.mkdir()
    for cell in jupytext.read(ROOT / f"solutions/{assignment}/{assignment}.md").cells:
        calls = [line for line in cell.source.splitlines() if line.startswith("check(")]
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade") and calls:
            name, points = about["grade_id"], float(about["points"])
            case = {"code": f">>> {calls[0]} == {points}\nTrue", "hidden": False, "locked": False}
            suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
            test = {"name": name, "points": points, "suites": [suite]}
            (folder / f"{name}.py").write_text(f"OK_FORMAT = True\ntest = {test!r}\n")


def by_otter(otter: Path, assignment: str) -> float:
    """The cost of one more submission with Otter-Grader."""
    with course(assignment, plain=True) as folder:
        hand_in(folder, assignment, CLASS)
        otter_tests(assignment, folder / "otter_tests")
        make = [otter, "generate", "--tests-dir", "otter_tests", "--output-path", "otter.zip"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
        start = time.perf_counter()
        for submission in sorted(folder.glob(f"course/submitted/*/{assignment}/{assignment}.ipynb")):
            run = [otter, "run", "--autograder", "otter.zip", submission]
            subprocess.run(run, cwd=folder, check=True, capture_output=True)
        return (time.perf_counter() - start) / CLASS


def compare(otter: Path, assignment: str) -> list[dict]:
    """The cost of one more submission, by grader."""
    costs, starts = defaultdict(list), defaultdict(list)
    for _, grader in product(range(ROUNDS), (PLAIN, TWO, OURS)):
        with course(assignment, plain=grader != OURS) as folder:
            hand_in(folder, assignment, CLASS)
            total = seconds(folder, grader, assignment)
            costs[grader].append(each(folder, assignment))
            starts[grader].append(total - CLASS * costs[grader][-1])
            print(f"{assignment:20} {grader:22} {costs[grader][-1]:.3f} s for each submission", flush=True)
    costs[OTTER] = [by_otter(otter, assignment)]
    print(f"{assignment:20} {OTTER:22} {costs[OTTER][-1]:.3f} s for each submission", flush=True)
    ours = min(costs[OURS])
    return [
        {
            "assignment": assignment,
            "peer": grader,
            "seconds": min(costs[grader]),
            "start": min(starts[grader], default=None),
            "times_ours": min(costs[grader]) / ours,
        }
        for grader in (PLAIN, TWO, OTTER, OURS)
    ]


def overhead(assignment: str) -> float:
    """Seconds that a submission takes in which nothing is written, without its entry into the gradebook."""
    with course(assignment, plain=False) as folder:
        exercise = folder / f"exercises/{assignment}/{assignment}.ipynb"
        for number in range(CLASS):
            target = folder / f"course/submitted/s{number:05}/{assignment}"
            target.mkdir(parents=True)
            shutil.copy(exercise, target)
        seconds(folder, OURS, assignment)
        with open_gradebook(f"sqlite:///{folder}/course/gradebook.db", "bn-course") as gradebook:
            taken = median(each.seconds for each in gradings(gradebook))
    print(f"{assignment:20} nothing written        {taken:.3f} s", flush=True)
    return taken


def grow(assignment: str, largest: int) -> list[dict]:
    """Seconds and the grader's own memory for classes of growing size."""
    records = []
    with course(assignment, plain=False) as folder:
        size = 10
        while size <= largest:
            hand_in(folder, assignment, size)
            taken = seconds(folder, OURS, assignment)
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            records.append({"submissions": size, "seconds": taken, "each": taken / size, "memory_MB": memory})
            print(f"{size:6} submissions: {taken:.1f} s, {taken / size:.3f} s each, {memory:.0f} MB")
            size = min(size * 10, largest) if size < largest else largest + 1
    return records


def share(assignment: str) -> list[dict]:
    """The cost of one more submission for one worker and for two; the gain, divided by the workers."""
    costs = defaultdict(list)
    for _, workers in product(range(ROUNDS), (1, 2)):
        with course(assignment, plain=False) as folder:
            hand_in(folder, assignment, SHARED)
            seconds(folder, OURS, assignment, "--workers", str(workers))
            costs[workers].append(each(folder, assignment))
            print(f"{workers} workers: {costs[workers][-1]:.3f} s each", flush=True)
    alone = min(costs[1])
    return [
        {"workers": workers, "each": min(taken), "efficiency": alone / (workers * min(taken))}
        for workers, taken in costs.items()
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Time the grader beside others.")
    parser.add_argument("--scale", action="store_true", help="measure the growth with the size of the class")
    parser.add_argument("--largest", type=int, default=2000, help="the largest class of --scale")
    options = parser.parse_args()
    if options.scale:
        workers, records = share("ps2_batchnorm"), grow("ps2_batchnorm", options.largest)
        result_files.write("grading_scale", PACKAGES, {"workers": workers, "records": records})
    else:
        names = "ps2_batchnorm", "ps4_torch"
        with otter_environment() as otter:
            records = [record for name in names for record in compare(otter, name)]
        empty = {name: overhead(name) for name in names}
        result_files.write("grading_speed", PACKAGES, {"class": CLASS, "records": records, "empty": empty})


if __name__ == "__main__":
    main()
