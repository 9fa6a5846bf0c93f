"""The instructor's notebook, as a submission is rebuilt upon it."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import is_grade, is_locked, is_solution


class NotReleased(Exception):
    """There is no released notebook to compare with."""


@dataclass(frozen=True)
class Master:
    """One notebook of an assignment.

    Attributes
    ----------
    assignment, notebook : str
    cells : tuple of NotebookNode
        The cells that nbgrader knows by a grade id, in their order. Locked ones hold the
        instructor's text, hidden tests included; the others what learners start from.
    metadata : NotebookNode
        The notebook's own.
    fingerprint : str
        Of all that; another one means that what was graded before is out of date.
    """

    assignment: str
    notebook: str
    cells: tuple[NotebookNode, ...]
    metadata: NotebookNode
    fingerprint: str

    @cached_property
    def by_id(self) -> dict[str, NotebookNode]:
        """The cells by grade id, in order."""
        return {grade_id(cell): cell for cell in self.cells}


def grade_id(cell: NotebookNode) -> str:
    """The name that nbgrader knows a cell by; an empty text for a cell that it does not know."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_test(cell: NotebookNode) -> bool:
    """Is it a cell that gives points by running, written by the instructor?"""
    return cell.cell_type == "code" and is_grade(cell) and is_locked(cell) and not is_solution(cell)


def read_master(gradebook: Gradebook, course: CourseDirectory, assignment: str, notebook: str) -> Master:
    """The master of a notebook: its release version, with the tests as the gradebook has them.

    Raises
    ------
    NotReleased
        If the assignment has not been generated.
    """
    path = Path(course.format_path(course.release_directory, ".", assignment)) / f"{notebook}.ipynb"
    try:
        known = gradebook.find_notebook(notebook, assignment)
        released = nbformat.read(path, as_version=4)
    except (MissingEntry, FileNotFoundError):
        raise NotReleased(
            f"{assignment} has not been released: there is no {path} or no entry in the gradebook. "
            f"Run: nbgrader generate_assignment {assignment}"
        ) from None
    sources = {cell.name: cell for cell in known.source_cells}
    points = {cell.name: cell.max_score for cell in known.grade_cells}
    cells = []
    for cell in released.cells:
        name = grade_id(cell)
        if name not in sources:
            continue
        if sources[name].locked:
            cell.source = sources[name].source
        cell.metadata.nbgrader["checksum"] = sources[name].checksum
        if name in points:
            cell.metadata.nbgrader["points"] = points[name]
        cells.append(cell)
    fingerprint = hashlib.sha256(json.dumps([*cells, released.metadata], sort_keys=True).encode()).hexdigest()
    return Master(assignment, notebook, tuple(cells), released.metadata, fingerprint)
