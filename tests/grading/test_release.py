"""Is what learners get what the generator makes, and does it give nothing away?"""

import re

import jupytext
import nbformat
import pytest

from tests.course import ASSIGNMENTS, ROOT

SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)

assignments = pytest.mark.parametrize("name", ASSIGNMENTS)


def files(folder):
    return {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}


@assignments
def test_committed_exercise_is_what_the_generator_makes(name, released_course):
    """Would releasing again change a byte? (If so: make exercises, and commit.)"""
    made, committed = files(released_course / "exercises" / name), files(ROOT / "exercises" / name)
    assert made.keys() == committed.keys()
    for relative, path in made.items():
        assert path.read_text().splitlines() == committed[relative].read_text().splitlines(), relative


@assignments
def test_release_holds_no_solution_and_no_hidden_case(name):
    """Is any line between the solution or hidden-test marks in any released file?"""
    source = (ROOT / "solutions" / name / f"{name}.md").read_text()
    secrets = SOLUTION.findall(source) + HIDDEN.findall(source)
    lines = {line.strip() for secret in secrets for line in secret.splitlines() if len(line.strip()) > 12}
    assert len(lines) > 10
    for path in files(ROOT / "exercises").values():
        released = path.read_text().replace('\\"', '"')
        assert "BEGIN SOLUTION" not in released and "HIDDEN TESTS" not in released
        assert "seed=" not in released
        for line in lines:
            assert line not in released, f"{path.name} gives away: {line}"


@assignments
def test_release_is_a_clean_notebook(name):
    """Are there notebooks alone, without outputs, each cell with its own id?"""
    for relative, path in files(ROOT / "exercises" / name).items():
        assert relative.suffix == ".ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert "jupytext" not in notebook.metadata
        assert all(not cell.get("outputs") for cell in notebook.cells)
        assert all(cell.get("execution_count") is None for cell in notebook.cells)


@assignments
def test_points_of_a_cell_are_those_that_its_check_gives(name):
    """Is a cell's number of points the same in its metadata and in its call?"""
    notebook = jupytext.read(ROOT / "solutions" / name / f"{name}.md")
    graded = [
        c for c in notebook.cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("grade")
    ]
    assert graded
    for cell in graded:
        called_with = float(re.search(r"points=([\d.]+)", cell.source).group(1))
        assert called_with == cell.metadata.nbgrader.points


@assignments
def test_every_function_has_a_visible_and_a_hidden_check(name):
    """Are the visible and the hidden cell of a function on different seeds, each used once?"""
    source = (ROOT / "solutions" / name / f"{name}.md").read_text()
    visible = re.findall(r'^check\("(\w+)", \w+, points=[\d.]+\)$', source, re.MULTILINE)
    hidden = re.findall(r'^check\("(\w+)", \w+, points=[\d.]+, seed=(\d+)\)$', source, re.MULTILINE)
    assert visible == [function for function, _ in hidden]
    assert len({seed for _, seed in hidden}) == len(hidden)
