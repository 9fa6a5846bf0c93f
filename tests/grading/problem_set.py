"""One problem set of the course in a folder of its own, with limits so short that tests can wait for them."""

import shutil
from pathlib import Path

from nbgrader.api import Gradebook

from tests.course import ROOT, run
from tests.grading.deserved import deserved

ASSIGNMENT = "ps2_batchnorm"
ROUNDING = 0.011  # two cells, each rounded to the hundredth
SETTINGS = """
c.TrustedGrader.cell_seconds = 2
c.TrustedGrader.call_seconds = 2
c.TrustedGrader.submission_seconds = 30
c.TrustedGrader.memory = 300 << 20
"""


def release(course: Path) -> None:
    """Copy what belongs to the problem set, and release it."""
    text_alone = shutil.ignore_patterns("*.ipynb")
    shutil.copytree(ROOT / "solutions" / ASSIGNMENT, course / "solutions" / ASSIGNMENT, ignore=text_alone)
    (course / "nbgrader_config.py").write_text((ROOT / "nbgrader_config.py").read_text() + SETTINGS)
    (course / "course").mkdir()
    run("jupytext", "--quiet", "--to", "ipynb", f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md", cwd=course)
    run("nbgrader", "generate_assignment", ASSIGNMENT, cwd=course)


def released(course: Path) -> Path:
    """The notebook that learners get."""
    return course / "exercises" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"


def gradebook(course: Path) -> Gradebook:
    """The course's gradebook."""
    return Gradebook(f"sqlite:///{course}/course/gradebook.db", "bn-course")


def points(course: Path) -> dict[str, dict[str, float]]:
    """By student and function, the points of the visible and the hidden cell together."""
    with gradebook(course) as books:
        return {
            submission.student.id: _by_function(submission)
            for submission in books.assignment_submissions(ASSIGNMENT)
        }


def _by_function(submission):
    scores = {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}
    return {
        function: scores[f"check_{function}"] + scores[f"hidden_{function}"]
        for function in deserved(ASSIGNMENT).functions
    }
