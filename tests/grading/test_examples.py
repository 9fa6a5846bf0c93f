"""Do the examples in the grader's docstrings give what they say?"""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["definitions", "flags", "packages", "inside.wire", "inside.isolation"])
def test_examples_hold(name):
    """Is each example of the module right, and is there one?"""
    failed, tried = doctest.testmod(import_module(f"grading.{name}"))
    assert tried
    assert not failed
