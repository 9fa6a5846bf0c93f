"""What does a notebook get that ends in another way than by its last cell?"""

import logging

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbgrader.utils import determine_grade

from grading.marking import SOON, Examiner, Times
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
    points, remarks = mark_each(
        sandbox, answer, [test], before, after, Times(cell=1, call=1, submission=seconds)
    )
    return points[0], remarks


def mark_each(sandbox, answer, tests, before=(), after=(), times=Times(cell=1, call=1, submission=20)):  # noqa: B008
    """The points that each test gives, and what is said of the notebook."""
    released = {"grade": False, "solution": True, "locked": False, "grade_id": "total"}
    locked = {"grade": True, "solution": False, "locked": True, "points": 2}
    tests = [
        nbformat.v4.new_code_cell(test, metadata={"nbgrader": {**locked, "grade_id": f"adds_up_{number}"}})
        for number, test in enumerate(tests)
    ]
    cells = [
        *map(nbformat.v4.new_code_cell, before),
        nbformat.v4.new_code_cell(answer, metadata={"nbgrader": released}),
        *tests,
        *map(nbformat.v4.new_code_cell, after),
    ]
    remarks = Examiner(sandbox, times).mark(nbformat.v4.new_notebook(cells=cells))
    return [determine_grade(test, logging.getLogger())[0] for test in tests], remarks


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


@pytest.mark.parametrize("ending", ["os._exit(3)", "os.abort()", "time.sleep(60)", "10 ** 10 ** 8"])
def test_call_that_ends_its_process_fails_one_test_only(sandbox, ending):
    """Do the other tests, before and after it, still give their points?"""
    answer = (
        f"import os, time\n\ndef total(values):\n    if not values:\n        {ending}\n    return sum(values)"
    )
    points, remarks = mark_each(sandbox, answer, [TEST, "assert total([]) == 0", TEST])
    assert (points, remarks) == ([2, 0, 2], [])


def test_slow_call_within_the_limit_is_waited_for(sandbox):
    """Is a call that takes longer than is first waited for as right as any?"""
    answer = f"import time\n\ndef total(values):\n    time.sleep({1.5 * SOON})\n    return sum(values)"
    times = Times(cell=1, call=3 * SOON, submission=20)
    assert mark_each(sandbox, answer, [TEST, TEST], times=times) == ([2, 2], [])


def test_each_test_finds_the_names_of_its_place(sandbox):
    """Does a test see what the cells before it have made, though it runs after all of them?"""
    says = "limit = 1\n\ndef total(values):\n    return limit * sum(values)"
    assert mark(sandbox, says, test="assert (limit, total([1, 2])) == (1, 3)", after=["limit = 2"]) == (2, [])
