"""Do tests find the instructor's definitions, and nothing more than they need?"""

import pytest

from grading.definitions import Definitions, free_names

CELL = """
import math as m
import a_module_that_is_not_there
SCALE = 3
PAIR = (lambda v: v, lambda v: m.sqrt(v) * SCALE)
data = open("/a/file/that/is/not/there")
def helper(v, how=PAIR): return how[1](v)
def fact(n): return 1 if n == 0 else n * fact(n - 1)
class Shape:
    side = SCALE
"""


@pytest.fixture
def definitions():
    definitions = Definitions()
    definitions.read(CELL)
    return definitions


def test_what_a_definition_needs_comes_with_it(definitions):
    """Does a function bring the imports and constants behind its defaults?"""
    namespace = {}
    definitions.provide({"helper"}, namespace)
    assert namespace["helper"](4.0) == 6.0


def test_what_is_not_needed_is_not_run(definitions):
    """Does a test that uses one constant import nothing?"""
    namespace = {}
    definitions.provide({"SCALE"}, namespace)
    assert namespace.keys() - {"__builtins__"} == {"SCALE"}


def test_a_function_that_calls_itself_is_defined(definitions):
    """Does recursion end?"""
    namespace = {}
    definitions.provide({"fact", "Shape"}, namespace)
    assert namespace["fact"](5) == 120
    assert namespace["Shape"].side == 3


def test_an_assignment_that_calls_something_is_left_to_the_sandbox(definitions):
    """Is a file opened by nobody but the notebook?"""
    namespace = {}
    definitions.provide({"data"}, namespace)
    assert "data" not in namespace


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("total(values)", {"total", "values"}),
        ("values = 1\ntotal(values)", {"total"}),
        ("def f():\n    return g(h)", {"g", "h"}),
        ("[x for x in xs]", {"xs"}),
        ("print(len(a))", {"a"}),
    ],
)
def test_free_names_are_those_that_somebody_else_must_give(source, names):
    """Are the names right that a test needs from outside?"""
    assert free_names(source) == names
