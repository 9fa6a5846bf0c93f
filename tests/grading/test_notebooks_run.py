"""Do the notebooks run from the first cell to the last, as an instructor and as a learner open them?"""

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from tests.course import ASSIGNMENTS, ROOT


def executed(notebook, folder):
    """The notebook after Run All, in a folder of its own."""
    return NotebookClient(
        notebook, timeout=200, allow_errors=True, resources={"metadata": {"path": folder}}
    ).execute()


def graded_code(notebook):
    """The cells that are graded by running them."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
    ]


def errors(notebook):
    """What cells raised."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_solution_earns_every_point(name, tmp_path):
    """Does the course's own solution pass its own checks, hidden ones included, without an error?"""
    notebook = executed(jupytext.read(ROOT / "solutions" / name / f"{name}.md"), tmp_path)
    assert errors(notebook) == []
    for cell in graded_code(notebook):
        result = next(output for output in cell.outputs if output.output_type == "execute_result")
        assert float(result.data["text/plain"]) == cell.metadata.nbgrader.points, cell.source


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_released_notebook_says_what_is_not_written_yet(name, tmp_path):
    """Does Run All on the untouched exercise get to the end, and does each check say so plainly?"""
    notebook = executed(nbformat.read(ROOT / "exercises" / name / f"{name}.ipynb", as_version=4), tmp_path)
    unexpected = [error for error in errors(notebook) if not error.startswith("NotImplementedError")]
    assert unexpected == []
    for cell in graded_code(notebook):
        if cell.source.startswith("check("):
            said = "".join(str(output.get("data", output.get("text", ""))) for output in cell.outputs)
            assert "not written yet" in said, cell.source
