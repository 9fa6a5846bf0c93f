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


def release(course: Path, assignment: str = ASSIGNMENT, settings: str = SETTINGS) -> None:
    """Copy what belongs to the problem set, and release it."""
    text_alone = shutil.ignore_patterns("*.ipynb")
    shutil.copytree(ROOT / "solutions" / assignment, course / "solutions" / assignment, ignore=text_alone)
    (course / "nbgrader_config.py").write_text((ROOT / "nbgrader_config.py").read_text() + settings)
    (course / "course").mkdir()
    run("jupytext", "--quiet", "--to", "ipynb", f"solutions/{assignment}/{assignment}.md", cwd=course)
    run("nbgrader", "generate_assignment", assignment, cwd=course)


def released(course: Path, assignment: str = ASSIGNMENT) -> Path:
    """The notebook that learners get."""
    return course / "exercises" / assignment / f"{assignment}.ipynb"


def gradebook(course: Path) -> Gradebook:
    """The course's gradebook."""
    return Gradebook(f"sqlite:///{course}/course/gradebook.db", "bn-course")


def points(course: Path, assignment: str = ASSIGNMENT) -> dict[str, dict[str, float]]:
    """By student and function, the points of the visible and the hidden cell together."""
    with gradebook(course) as books:
        return {
            submission.student.id: _by_function(submission, assignment)
            for submission in books.assignment_submissions(assignment)
        }


def _by_function(submission, assignment):
    scores = {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}
    return {
        function: scores[f"check_{function}"] + scores[f"hidden_{function}"]
        for function in deserved(assignment).functions
    }
