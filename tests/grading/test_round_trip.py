"""From submission to grades, feedback and export: does nbgrader say what reading would?"""

import csv
import re

import pytest
from nbgrader.api import Gradebook

from grading.summary import grade_rows
from tests.course import ROOT, run

FUNCTIONS = (
    "batchnorm_forward",
    "update_running_statistics",
    "batchnorm_inference",
    "batchnorm_backward_staged",
    "batchnorm_backward",
)

# What the parts of a check are worth, and what each submission of the sample class deserves: the share of
# the parts that are right, counted by reading it. 6, 3, 3, 9 and 6 are the points of the five functions.
DESERVED = {
    "ada": (6, 3, 3, 9, 6),
    "emmy": (6, 3, 3, 9, 6),
    "kofi": (6, 3, 3, 9, 6),
    # variance and x_hat wrong, and so two of the awkward batches; half of the running variance and of
    # inference; the closed form without its part along x_hat
    "lin": (6 * 4 / 10, 3 * 5 / 7, 3 * 3.5 / 6, 9, 6 * 5.5 / 8),
    # momentum swapped; the sign of dvar and the constants in dx; constants again
    "maria": (6, 3 * 4 / 7, 3, 9 * 6 / 12, 6 * 3 / 8),
    # beta forgotten and x overwritten; inputs overwritten; batch statistics; no path through the mean; sums
    "omar": (6 * 5 / 10, 3 * 6 / 7, 0, 9 * 8 / 12, 6 * 5.5 / 8),
    # the shape of mean and var; an error; nothing else written
    "petra": (6 * 9 / 10, 0, 0, 0, 0),
    "quinn": (0, 0, 0, 0, 0),
    # a syntax error; right; batch statistics; not written; dgamma and dbeta averaged
    "tove": (0, 3, 0, 0, 6 * 5 / 8),
}
ROUNDING = 0.011  # two cells, each rounded to the hundredth


@pytest.fixture(scope="module")
def gradebook(graded_course):
    with Gradebook(f"sqlite:///{graded_course}/course/gradebook.db", "bn-course") as gradebook:
        yield gradebook


def test_the_whole_class_is_graded(gradebook):
    """Is there a grade for every sample, and for nobody else?"""
    students = {submission.student.id for submission in gradebook.assignment_submissions("ps2_batchnorm")}
    assert students == set(DESERVED) == {path.name for path in ROOT.glob("samples/*")}


@pytest.mark.parametrize("student", DESERVED)
def test_points_are_what_reading_the_submission_gives(gradebook, student):
    """Does each function of each learner get the points that a careful reader would give?"""
    submission = gradebook.find_submission("ps2_batchnorm", student)
    scores = {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}
    for function, deserved in zip(FUNCTIONS, DESERVED[student], strict=True):
        earned = scores[f"check_{function}"] + scores[f"hidden_{function}"]
        assert earned == pytest.approx(deserved, abs=ROUNDING), function


def test_written_answers_wait_for_a_person(gradebook):
    """Is an answer left to grade by hand, and an unanswered question not?"""
    waiting = {
        submission.student.id
        for submission in gradebook.assignment_submissions("ps2_batchnorm")
        if submission.needs_manual_grade
    }
    assert waiting == set(DESERVED) - {"kofi", "quinn"}


def test_feedback_names_the_mistake(graded_course):
    """Does the page that a learner gets back hold the diagnosis and the points?"""
    page = (graded_course / "course/feedback/lin/ps2_batchnorm/ps2_batchnorm.html").read_text()
    assert "Your variance divides by N - 1" in page
    assert "Your eps is added outside the square root" in page
    assert re.search(r"Score:\s*0\.8\s*/\s*2\.0", page)


def test_feedback_reaches_everyone(graded_course):
    """Has even the empty and the broken submission a page of its own?"""
    pages = {path.parts[-3] for path in (graded_course / "course/feedback").glob("*/*/*.html")}
    assert pages == set(DESERVED)


def test_export_gives_the_same_totals(graded_course, gradebook):
    """Can the grades leave as a table?"""
    run("nbgrader", "export", "--to", "course/grades.csv", cwd=graded_course)
    with open(graded_course / "course/grades.csv", newline="") as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    for student, score in exported.items():
        assert score == pytest.approx(gradebook.find_submission("ps2_batchnorm", student).score)
    assert exported.keys() == DESERVED.keys()


def test_summary_adds_up_visible_and_hidden_points(gradebook):
    """Does the printed table show one number for each part, in the notebook's order?"""
    rows = {row["student"]: row for row in grade_rows(gradebook, "ps2_batchnorm")}
    assert rows["ada"]["batchnorm_backward_staged"] == "9"
    assert rows["ada"]["total"] == "27 of 30"
    assert rows["quinn"]["total"] == "0 of 30"
    assert rows["ada"]["to do"] == "grade by hand" and rows["quinn"]["to do"] == ""
