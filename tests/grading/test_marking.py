"""What does a notebook get that ends in another way than by its last cell?"""

import logging

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbgrader.utils import determine_grade

from grading.marking import Examiner, Times
from grading.sandbox import Limits, Recipe, Sandbox

RIGHT = "def total(values):\n    return sum(values)"
WRONG = "def total(values):\n    return 0"
TEST = "assert total([1, 2]) == 3"
HANGS = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    pass
"""
HOARDS = 'pieces = [bytearray(b"x") * (1 << 20) for _ in range(201)]'


@pytest.fixture(scope="module")
def sandbox():
    """A sandbox with little memory for each."""
    sandbox = Sandbox(Recipe(limits=Limits(memory=200 << 20)))
    yield sandbox
    sandbox.close()
    InteractiveShell.clear_instance()  # the examiner's; other tests are in no notebook


def mark(sandbox, answer, *, before=(), after=(), test=TEST, seconds=20):
    """The points of an answer among other cells of the learner's, and what is said of it."""
    released = {"grade": False, "solution": True, "locked": False, "grade_id": "total"}
    locked = {"grade": True, "solution": False, "locked": True, "grade_id": "adds_up", "points": 2}
    cells = [
        *map(nbformat.v4.new_code_cell, before),
        nbformat.v4.new_code_cell(answer, metadata={"nbgrader": released}),
        nbformat.v4.new_code_cell(test, metadata={"nbgrader": locked}),
        *map(nbformat.v4.new_code_cell, after),
    ]
    times = Times(cell=1, call=1, submission=seconds)
    remarks = Examiner(sandbox, times).mark(nbformat.v4.new_notebook(cells=cells))
    return determine_grade(cells[len(before) + 1], logging.getLogger())[0], remarks


def test_time_used_up_at_the_end_earns_nothing(sandbox):
    """Do tests that are not run any more count as failed? nbgrader takes one without an output as passed."""
    assert mark(sandbox, WRONG) == (0, [])
    points, remarks = mark(sandbox, WRONG, after=[HANGS], seconds=1)
    assert points == 0
    assert len(remarks) == 1 and remarks[0].startswith("Cell 3 took more than")


def test_cell_that_uses_too_much_is_left_out_and_no_other(sandbox):
    """Is the cell blamed that took the memory, although others have run before somebody looked?"""
    points, remarks = mark(sandbox, RIGHT, before=["x = 1", HOARDS], after=["import time; time.sleep(0.6)"])
    assert points == 2
    assert len(remarks) == 1 and remarks[0].startswith("Cell 2 used 0.")


@pytest.mark.parametrize("test", ["%no_such_magic", "%timeit -z total", "raise SystemExit"])
def test_test_that_fails_in_a_way_of_its_own_earns_nothing(sandbox, test):
    """Does an error count that IPython does not show as one?"""
    assert mark(sandbox, RIGHT, test=test) == (0, [])
