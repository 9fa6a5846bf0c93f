"""What stays and what goes when a learner hands in again, or is late?"""

import shutil

import jupytext
import nbformat
import pytest

from grading.sample_class import fill_in
from tests.course import ROOT, run
from tests.grading.deserved import deserved
from tests.grading.problem_set import ASSIGNMENT, ROUNDING, gradebook, points, release, released

FULL = {function: deserved(ASSIGNMENT).points["ada", function] for function in deserved(ASSIGNMENT).functions}
NOTHING = dict.fromkeys(FULL, 0.0)
LATE_BY_TWO_POINTS = """
from nbgrader.plugins import BasePlugin


class TwoPoints(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 2.0


c.AssignLatePenalties.plugin_class = TwoPoints
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course with its problem set released."""
    course = tmp_path_factory.mktemp("again")
    release(course)
    return course


@pytest.fixture
def hand_in(course):
    """A function by which a student hands in bytes or, without any, the right notebook."""
    students = set()

    def hand_in(student, data=None, timestamp=None):
        students.add(student)
        if data is None:
            answers = jupytext.read(ROOT / f"samples/ada/{ASSIGNMENT}.md")
            data = nbformat.writes(fill_in(nbformat.read(released(course), 4), answers)).encode()
        folder = course / "course/submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(data)
        if timestamp is not None:
            (folder / "timestamp.txt").write_text(timestamp)

    yield hand_in
    for student in students:
        shutil.rmtree(course / "course/submitted" / student)


def test_stale_scores_are_zeroed(course, hand_in):
    """Does who was right, and hands in a broken file, lose all points and learn why?"""
    hand_in("again")
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    assert points(course)["again"] == pytest.approx(FULL, abs=ROUNDING)
    hand_in("again", b"{")
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    assert points(course)["again"] == NOTHING
    hand_in("again")
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    assert points(course)["again"] == pytest.approx(FULL, abs=ROUNDING)


def test_grades_by_hand_survive(course, hand_in):
    """Do a teacher's points and comment stay when the submission is graded again?"""
    hand_in("byhand")
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    with gradebook(course) as books:
        grade = books.find_grade("forgotten_inference_mode", ASSIGNMENT, ASSIGNMENT, "byhand")
        grade.manual_score, grade.needs_manual_grade = 2.5, False
        comment = books.find_comment("forgotten_inference_mode", ASSIGNMENT, ASSIGNMENT, "byhand")
        comment.manual_comment = "Nearly."
        books.db.commit()
    run("nbgrader", "autograde", ASSIGNMENT, "--force", cwd=course)
    with gradebook(course) as books:
        grade = books.find_grade("forgotten_inference_mode", ASSIGNMENT, ASSIGNMENT, "byhand")
        comment = books.find_comment("forgotten_inference_mode", ASSIGNMENT, ASSIGNMENT, "byhand")
        assert grade.score == 2.5
        assert comment.comment == "Nearly."


def test_late_submissions_lose_what_the_course_says(course, hand_in):
    """Is a late submission punished by the course's plugin, and one in time not?"""
    settings = course / "nbgrader_config.py"
    settings.write_text(settings.read_text() + LATE_BY_TWO_POINTS)
    with gradebook(course) as books:
        books.update_or_create_assignment(ASSIGNMENT, duedate="2026-01-02 00:00:00 UTC")
    hand_in("late", timestamp="2026-01-03 00:00:00 UTC")
    hand_in("early", timestamp="2026-01-01 00:00:00 UTC")
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    with gradebook(course) as books:
        late, early = (books.find_submission(ASSIGNMENT, student) for student in ("late", "early"))
        assert late.late_submission_penalty == 2.0
        assert not early.late_submission_penalty
        assert late.score == pytest.approx(early.score, abs=ROUNDING)
        assert late.total_seconds_late == 24 * 3600
