"""Do the pages of solutions show every solution, behind a fold, and nothing that only graders may see?"""

import html
import re

import pytest

from tests.course import ASSIGNMENTS, ROOT

SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)
FOLD = re.compile(r"<details.*?</details>", re.DOTALL)

assignments = pytest.mark.parametrize("name", ASSIGNMENTS)


def source(name):
    """The notebook that graders use."""
    return (ROOT / "solutions" / name / f"{name}.md").read_text()


def words(page):
    """The text of a page, its words one space apart."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


@assignments
def test_every_solution_of_code_is_on_the_page_behind_a_fold(site, name):
    """Does each graded function's solution stand within a fold, whole?"""
    page = (site / "book/solutions" / f"{name}.html").read_text()
    folded = " ".join(map(words, FOLD.findall(page)))
    cells = re.findall(r"```\{code-cell\}.*?```", source(name), re.DOTALL)
    solutions = [solution for cell in cells for solution in SOLUTION.findall(cell)]
    assert len(solutions) >= 8
    for solution in solutions:
        assert " ".join(solution.split()) in folded


@assignments
def test_every_graded_function_is_on_the_page(site, name):
    """Is there a definition, in a fold, of each name that a check asks for?"""
    page = (site / "book/solutions" / f"{name}.html").read_text()
    folded = " ".join(map(words, FOLD.findall(page)))
    graded = re.findall(r'^check\("\w+", (\w+), points=', source(name), re.MULTILINE)
    assert graded
    for function in graded:
        assert re.search(rf"(def|class) {function}\b", folded), function


@assignments
def test_every_model_answer_is_on_the_page_behind_a_fold(site, name):
    """Has each question to answer in words its model answer and its rubric, folded?"""
    page = (site / "book/solutions" / f"{name}.html").read_text()
    questions = source(name).count('+++ {"nbgrader"')
    folds = [words(fold) for fold in FOLD.findall(page) if "Show a model answer" in fold]
    assert len(folds) == questions > 0
    assert all("A model answer." in fold and "Rubric." in fold for fold in folds)


@assignments
def test_nothing_of_a_solution_is_outside_a_fold(site, name):
    """Could somebody who opens the page read a line of a solution by accident?"""
    page = (site / "book/solutions" / f"{name}.html").read_text()
    shown = words(FOLD.sub("", page))
    for solution in SOLUTION.findall(source(name)):
        for line in filter(lambda line: len(line) > 30, map(str.strip, solution.splitlines())):
            assert " ".join(line.split()) not in shown


def test_no_hidden_test_is_anywhere_in_the_book(site):
    """Do pages, their sources and the search index hold no hidden test, and no seed of one?"""
    hidden = [test for name in ASSIGNMENTS for test in HIDDEN.findall(source(name))]
    secrets = {"BEGIN HIDDEN TESTS"} | {line.strip() for test in hidden for line in test.splitlines()}
    secrets |= {seed for test in hidden for seed in re.findall(r"seed=(\d+)", test)}
    assert len(secrets) > 2 * len(ASSIGNMENTS)
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".md", ".ipynb", ".js", ".txt"}]
    assert any(path.parent.name == "solutions" for path in files)
    for path in files:
        text = html.unescape(path.read_text(errors="replace"))
        if path.suffix == ".html":
            text += words(text)
        assert not [secret for secret in secrets if secret in text], path
