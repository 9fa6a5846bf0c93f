"""From submission to grades, feedback and export: does nbgrader say what reading would?"""

import csv
import re

import pytest
from nbgrader.api import Gradebook

from grading.summary import grade_rows
from tests.course import ASSIGNMENTS, ROOT, run
from tests.grading.deserved import deserved

ROUNDING = 0.011  # two cells, each rounded to the hundredth


@pytest.fixture(scope="session")
def gradebook(graded_course):
    with Gradebook(f"sqlite:///{graded_course}/course/gradebook.db", "bn-course") as gradebook:
        yield gradebook


@pytest.fixture(scope="session")
def submissions(gradebook, assignment):
    """What the class handed in, by learner."""
    return {each.student.id: each for each in gradebook.assignment_submissions(assignment)}


@pytest.fixture(scope="session")
def pages(graded_course, assignment):
    """The feedback, by learner."""
    found = (graded_course / "course/feedback").glob(f"*/{assignment}/{assignment}.html")
    return {path.parts[-3]: path.read_text() for path in found}


def test_the_whole_class_is_graded(submissions, assignment):
    """Is there a grade for every sample, and for nobody else?"""
    handed_in = {path.parent.name for path in ROOT.glob(f"samples/*/{assignment}.md")}
    assert submissions.keys() == deserved(assignment).learners == handed_in


def test_points_are_what_reading_the_submission_gives(submissions, assignment):
    """Does each function of each learner get the points that a careful reader would give?"""
    given = {}
    for learner, submission in submissions.items():
        scores = {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}
        for function in deserved(assignment).functions:
            given[learner, function] = scores[f"check_{function}"] + scores[f"hidden_{function}"]
    assert given == pytest.approx(deserved(assignment).points, abs=ROUNDING)


def test_written_answers_wait_for_a_person(submissions, assignment):
    """Is an answer left to grade by hand, and an unanswered question not?"""
    waiting = {learner for learner, submission in submissions.items() if submission.needs_manual_grade}
    assert waiting == deserved(assignment).by_hand


def test_feedback_reaches_everyone(pages, assignment):
    """Has even the empty and the broken submission a page of its own?"""
    assert pages.keys() == deserved(assignment).learners


@pytest.mark.parametrize("assignment", ["ps2_batchnorm"], indirect=True, scope="session")
def test_feedback_names_the_mistake(pages):
    """Does the page that a learner gets back hold the diagnosis and the points?"""
    assert "Your variance divides by N - 1" in pages["lin"]
    assert "Your eps is added outside the square root" in pages["lin"]
    assert re.search(r"Score:\s*0\.8\s*/\s*2\.0", pages["lin"])


def test_export_gives_the_same_totals(graded_course, submissions, assignment):
    """Can the grades leave as a table, with nothing for those who did not hand in?"""
    run("nbgrader", "export", "--to", "course/grades.csv", cwd=graded_course)
    with open(graded_course / "course/grades.csv", newline="") as file:
        exported = {
            row["student_id"]: float(row["score"])
            for row in csv.DictReader(file)
            if row["assignment"] == assignment
        }
    totals = {learner: submission.score for learner, submission in submissions.items()}
    assert exported == pytest.approx(dict.fromkeys(exported, 0.0) | totals)


def test_summary_adds_up_visible_and_hidden_points(gradebook, submissions, assignment):
    """Does the table show one number for each function, in the notebook's order, and the total?"""
    expected = deserved(assignment)
    for row in grade_rows(gradebook, assignment):
        learner = row["student"]
        shown = {name: float(points) for name, points in row.items() if name in expected.functions}
        assert tuple(shown) == expected.functions
        assert shown == pytest.approx(
            {name: expected.points[learner, name] for name in expected.functions}, abs=ROUNDING
        )
        score, out_of = submissions[learner].score, submissions[learner].max_score
        assert row["total"] == f"{score:g} of {out_of:g}"
        assert row["to do"] == ("grade by hand" if learner in expected.by_hand else "")


def test_summary_prints_every_problem_set(graded_course, assignment):
    """Without a name, does the summary show the table of each assignment that was released?"""
    printed = run("python", "-m", "grading.summary", cwd=graded_course)
    assert [line for line in printed.splitlines() if line in ASSIGNMENTS] == ASSIGNMENTS
    named = run("python", "-m", "grading.summary", assignment, cwd=graded_course)
    assert [line for line in named.splitlines() if line in ASSIGNMENTS] == [assignment]
