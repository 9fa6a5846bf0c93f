"""Do the solutions' pages hold every solution, and nothing of the tests?"""

import re

import pytest

from bn_reference.checks import SPECS
from tests.course import ROOT

ASSIGNMENTS = sorted(path.stem for path in ROOT.glob("solutions/*/*.md"))


@pytest.fixture(scope="module", params=ASSIGNMENTS)
def notebook(request):
    """The text notebook that the page is made from."""
    return ROOT / f"solutions/{request.param}/{request.param}.md"


@pytest.fixture(scope="module")
def built(site, notebook):
    """The page as it was built."""
    return (site / f"book/solutions/{notebook.stem}.html").read_text()


def test_every_graded_function_has_its_fold(built, notebook):
    """Can a reader find a solution by the name of its function, or of the class that several look at?"""
    folds = re.findall(r"<summary.*?</summary>", built, re.DOTALL)
    named = {name for fold in folds for name in re.findall(r'<span class="pre">(\w+)</span>', fold)}
    graded = [spec.name for spec in SPECS.problem_sets()[notebook.stem]]
    assert [name for name in graded if not name.startswith(tuple(named))] == []


def test_no_test_shows(built, notebook):
    """Is there no hidden case, no seed and no mark of nbgrader's on the page?"""
    hidden = re.findall(r"BEGIN HIDDEN TESTS\n(.*?)\n### END", notebook.read_text(), re.DOTALL)
    seeds = {seed for test in hidden for seed in re.findall(r"seed=(\d+)", test)}
    assert seeds
    assert [text for text in (*seeds, "HIDDEN TESTS", "BEGIN SOLUTION", "seed=") if text in built] == []
