"""The small course as the tests see it: a released copy, submissions, and what is in its gradebook."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from tests.course import BIN, ROOT, run

SOURCE = Path(__file__).with_name("small_course")

RIGHT = {
    "total": "def total(values):\n    return values.sum()",
    "counter": (
        "class Counter:\n"
        "    def __init__(self, start=0):\n        self.value = start\n"
        "    def add(self, amount):\n        self.value += amount\n        return self\n"
        "    def apply(self, function):\n        self.value = function(self.value)\n        return self"
    ),
    "use": "Adding up.",
}


def release(course: Path) -> None:
    """Copy the course to a folder of its own, and release its assignment."""
    shutil.copytree(SOURCE, course, dirs_exist_ok=True)
    run("jupytext", "--quiet", "--to", "ipynb", "source/sums/sums.md", cwd=course)
    run("nbgrader", "generate_assignment", "sums", cwd=course)


def hand_in(course: Path, student: str, **answers: str) -> Path:
    """Write the notebook of a student who has answered some cells, by grade id."""
    notebook = nbformat.read(course / "release/sums/sums.ipynb", 4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(name, cell.source)
    path = course / "submitted" / student / "sums/sums.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def mixed_class(course: Path, size: int) -> None:
    """Hand in for a class in which every third student is right, half right, or has done nothing."""
    kinds = (RIGHT, {"total": RIGHT["total"]}, {})
    for number in range(size):
        hand_in(course, f"s{number:03}", **kinds[number % 3])


def scores(course: Path, db_url: str | None = None) -> dict[str, dict[str, float | None]]:
    """By student, the automatic score of each cell."""
    with Gradebook(db_url or f"sqlite:///{course}/gradebook.db", "small") as gradebook:
        return {
            submission.student.id: {
                grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions("sums")
        }


def expected(size: int) -> dict[str, dict[str, float | None]]:
    """What `mixed_class` deserves."""
    kinds = (
        {"adds_up": 2.0, "counts": 3.0, "use": None},
        {"adds_up": 2.0, "counts": 0.0, "use": 0.0},
        {"adds_up": 0.0, "counts": 0.0, "use": 0.0},
    )
    return {f"s{number:03}": kinds[number % 3] for number in range(size)}


def start(*arguments: str, cwd: Path) -> subprocess.Popen:
    """Start a command of this environment in a process group of its own."""
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen) -> None:
    """End it as a power cut would, with all its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
