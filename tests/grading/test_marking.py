"""What does a notebook get whose end the grader does not live to see?"""

import logging

import nbformat
import pytest
from nbgrader.utils import determine_grade

from grading.marking import Examiner, Times
from grading.sandbox import Recipe, Sandbox

HANGS = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    pass
"""
ANSWER = {"grade": False, "solution": True, "locked": False, "grade_id": "total"}
TEST = {"grade": True, "solution": False, "locked": True, "grade_id": "adds_up", "points": 2}


@pytest.fixture(scope="module")
def examiner():
    """An examiner who gives a notebook a second in all."""
    sandbox = Sandbox(Recipe())
    yield Examiner(sandbox, Times(cell=1, call=1, submission=1))
    sandbox.close()


def mark(examiner, *own, test="assert total([1, 2]) == 3"):
    """The points that a wrong answer gets from a test, after which the learner's `own` cells come."""
    cells = [
        nbformat.v4.new_code_cell("def total(values):\n    return 0", metadata={"nbgrader": ANSWER}),
        nbformat.v4.new_code_cell(test, metadata={"nbgrader": TEST}),
        *map(nbformat.v4.new_code_cell, own),
    ]
    remarks = examiner.mark(nbformat.v4.new_notebook(cells=cells))
    return determine_grade(cells[1], logging.getLogger())[0], remarks


def test_time_used_up_at_the_end_earns_nothing(examiner):
    """Do tests that are not run any more count as failed? nbgrader takes one without an output as passed."""
    assert mark(examiner) == (0, [])
    points, remarks = mark(examiner, HANGS)
    assert points == 0
    assert len(remarks) == 1 and remarks[0].startswith("Cell 3 took more than")


@pytest.mark.parametrize("test", ["%no_such_magic", "%timeit -z total", "raise SystemExit"])
def test_test_that_fails_in_a_way_of_its_own_earns_nothing(examiner, test):
    """Does an error count that IPython does not show as one?"""
    assert mark(examiner, test=test) == (0, [])
