"""Does right code get its full marks, however it is written, and by whatever program it is saved?"""

import json
from copy import deepcopy

import jupytext
import nbformat
import pytest

from grading.books import gradings
from grading.sample_class import fill_in
from tests.course import ROOT, run
from tests.grading.deserved import deserved
from tests.grading.fairness.front_ends import FRONT_ENDS
from tests.grading.fairness.habits import HABITS
from tests.grading.problem_set import ASSIGNMENT, ROUNDING, gradebook, points, release, released

FULL = {function: deserved(ASSIGNMENT).points["ada", function] for function in deserved(ASSIGNMENT).functions}


@pytest.fixture(scope="session")
def graded(tmp_path_factory):
    """The course after everybody has handed in and been graded, in one run."""
    course = tmp_path_factory.mktemp("fair")
    release(course)
    right = fill_in(nbformat.read(released(course), 4), jupytext.read(ROOT / f"samples/ada/{ASSIGNMENT}.md"))

    def submit(student, data):
        folder = course / "course/submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(data)

    for name, change in HABITS.items():
        notebook = deepcopy(right)
        change(notebook)
        submit(name, nbformat.writes(notebook).encode())
    for name, save in FRONT_ENDS.items():
        submit(name, save(json.loads(json.dumps(right))))
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    return course


@pytest.fixture(scope="session")
def earned(graded):
    return points(graded)


@pytest.mark.parametrize("name", HABITS)
def test_right_code_gets_full_marks_however_it_is_written(earned, name):
    """Is every point there?"""
    assert earned[name] == pytest.approx(FULL, abs=ROUNDING)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_right_code_gets_full_marks_whatever_saved_it(earned, name):
    """Is every point there?"""
    assert earned[name] == pytest.approx(FULL, abs=ROUNDING)


def test_no_program_costs_a_remark(graded):
    """Is nothing said against those whose program writes files in its own way?"""
    with gradebook(graded) as books:
        remarks = {each.student: each.remarks for each in gradings(books, ASSIGNMENT)}
    assert {name: remarks[name] for name in FRONT_ENDS} == dict.fromkeys(FRONT_ENDS, ())
