"""How long does it take to grade a class, with this course's grader and with plain nbgrader?

A course is copied to a temporary folder, the sample class hands in again and again under other names,
and each grader grades two sizes of class. What the second costs over the first, divided by the difference
in size, is the cost of one more submission: what it takes to start is in neither.

Usage: ``python -m benchmarks.grading_speed`` (about ten minutes), with ``--scale`` for the growth with the
class and what a second worker brings (as long again; ``--largest N`` for more). Writes
``results/grading_*.json``.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat

from benchmarks import result_files
from grading.sample_class import fill_in

ROOT = Path(__file__).parent.parent
PACKAGES = ("nbgrader", "distributed", "torch")
PLAIN = "nbgrader autograde"
TWO = "two of them at once"
OURS = "python -m grading"
SMALL, CLASS = 4, 24
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


def compare(assignment: str) -> list[dict]:
    """The cost of one more submission, by grader."""
    records = []
    for grader in (PLAIN, TWO, OURS):
        with course(assignment, plain=grader != OURS) as folder:
            taken = []
            for size in (SMALL, CLASS):
                hand_in(folder, assignment, size)
                taken.append(seconds(folder, grader, assignment))
        each = (taken[1] - taken[0]) / (CLASS - SMALL)
        records.append(
            {"assignment": assignment, "peer": grader, "seconds": each, "start": taken[0] - SMALL * each}
        )
        print(f"{assignment:20} {grader:22} {each:.3f} s for each submission")
    ours = records[-1]["seconds"]
    for record in records:
        record["times_ours"] = record["seconds"] / ours
    return records


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
    """The cost of one more submission for one worker and for two, and how much of the second is used."""
    records = []
    for workers in (1, 2):
        with course(assignment, plain=False) as folder:
            taken = []
            for size in (SMALL, SHARED):
                hand_in(folder, assignment, size)
                taken.append(seconds(folder, OURS, assignment, "--workers", str(workers)))
        each = (taken[1] - taken[0]) / (SHARED - SMALL)
        efficiency = records[0]["each"] / (workers * each) if records else 1.0
        records.append({"workers": workers, "each": each, "efficiency": efficiency})
        print(f"{workers} workers: {each:.3f} s each, efficiency {efficiency:.2f}")
    return records


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Time the grader beside plain nbgrader.")
    parser.add_argument("--scale", action="store_true", help="measure the growth with the size of the class")
    parser.add_argument("--largest", type=int, default=2000, help="the largest class of --scale")
    options = parser.parse_args()
    if options.scale:
        workers, records = share("ps2_batchnorm"), grow("ps2_batchnorm", options.largest)
        result_files.write("grading_scale", PACKAGES, {"workers": workers, "records": records})
    else:
        records = [record for name in ("ps2_batchnorm", "ps4_torch") for record in compare(name)]
        result_files.write("grading_speed", PACKAGES, {"class": CLASS, "records": records})


if __name__ == "__main__":
    main()
