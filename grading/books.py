"""Entering grades into nbgrader's gradebook: the same rows as nbgrader's own steps, in one transaction.

nbgrader opens the gradebook nine times for a submission and looks up each grade by joins. Here one
connection stays open, and a submission with all its grades and comments, its late penalty and the
record of how it went is written at once, or not at all.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from nbformat import NotebookNode
from nbgrader import api
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution, is_task
from sqlalchemy import Column, DateTime, Float, Index, MetaData, String, Table, Text, delete, select
from sqlalchemy.orm import Session

from grading.grade import Graded

log = logging.getLogger(__name__)

TABLES = MetaData()

GRADINGS = Table(
    "trusted_grading",
    TABLES,
    Column("assignment", String(128), primary_key=True),
    Column("student", String(128), primary_key=True),
    Column("notebook", String(128), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("failed", Text, nullable=False),
    Column("remarks", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", DateTime, nullable=False),
)
"""How each grading went. The row is written together with the grades, so that it proves them."""

INDEXES = (
    Index("trusted_grade_notebook", api.Grade.__table__.c.notebook_id),
    Index("trusted_comment_notebook", api.Comment.__table__.c.notebook_id),
    Index("trusted_notebook_assignment", api.SubmittedNotebook.__table__.c.assignment_id),
)
"""Without these, finding the grades of one notebook reads those of the whole class."""


@dataclass(frozen=True)
class Grading:
    """A row of `GRADINGS`."""

    assignment: str
    student: str
    notebook: str
    digest: str
    failed: str
    remarks: tuple[str, ...]
    flags: tuple[str, ...]
    seconds: float
    at: datetime


def open_gradebook(db_url: str, course_id: str) -> api.Gradebook:
    """nbgrader's gradebook, with the table and the indexes that this module needs."""
    gradebook = api.Gradebook(db_url, course_id)
    TABLES.create_all(gradebook.engine)
    for index in INDEXES:
        index.create(gradebook.engine, checkfirst=True)
    return gradebook


class Books:
    """The grades of one assignment.

    Parameters
    ----------
    gradebook : nbgrader.api.Gradebook
        From `open_gradebook`.
    assignment : str
    penalties : AssignLatePenalties
        nbgrader's step, with the course's plugin for late submissions.

    Raises
    ------
    nbgrader.api.MissingEntry
        If the gradebook has no such assignment.
    """

    def __init__(self, gradebook: api.Gradebook, assignment: str, penalties: AssignLatePenalties):
        self._gradebook, self._penalties = gradebook, penalties
        self._penalties.init_plugin()
        entry = gradebook.find_assignment(assignment)
        self.assignment = assignment
        self._id, self._due = entry.id, entry.duedate
        self._notebooks = {each.name: each.id for each in entry.notebooks}
        self._grade_cells = {
            each.name: {cell.name: cell.id for cell in (*each.grade_cells, *each.task_cells)}
            for each in entry.notebooks
        }
        self._comment_cells = {
            each.name: {cell.name: cell.id for cell in (*each.solution_cells, *each.task_cells)}
            for each in entry.notebooks
        }
        gradebook.db.rollback()

    @property
    def notebooks(self) -> tuple[str, ...]:
        """The names of the assignment's notebooks."""
        return tuple(self._notebooks)

    def digests(self) -> dict[tuple[str, str], str]:
        """By student and notebook, what was graded already."""
        columns = GRADINGS.c.student, GRADINGS.c.notebook, GRADINGS.c.digest
        rows = self._session.execute(select(*columns).where(GRADINGS.c.assignment == self.assignment)).all()
        self._session.rollback()
        return {(student, notebook): digest for student, notebook, digest in rows}

    def enter(self, student: str, timestamp: datetime | None, graded: Iterable[Graded]) -> None:
        """Write a submission's grades; a notebook that is not among `graded` gets none.

        Scores that a person has given stay, and are marked for another look, as nbgrader does.
        """
        graded = {each.notebook: each for each in graded}
        session = self._session
        try:
            submission = self._submission(student, timestamp)
            for name, notebook_id in self._submitted_notebooks(submission.id).items():
                self._enter_notebook(name, notebook_id, graded.get(name))
                self._set_penalty(student, submission, notebook_id)
                key = {"assignment": self.assignment, "student": student, "notebook": name}
                session.execute(delete(GRADINGS).filter_by(**key))
                if name in graded:
                    session.execute(GRADINGS.insert().values(**key, **_row(graded[name])))
            session.commit()
        except BaseException:
            session.rollback()
            raise

    @property
    def _session(self) -> Session:
        return self._gradebook.db

    def _submission(self, student, timestamp):
        session = self._session
        if session.get(api.Student, student) is None:
            session.add(api.Student(id=student))
        found = session.execute(
            select(api.SubmittedAssignment).filter_by(assignment_id=self._id, student_id=student)
        ).scalar_one_or_none()
        if found is None:
            found = api.SubmittedAssignment(id=api.new_uuid(), assignment_id=self._id, student_id=student)
            session.add(found)
        if timestamp is not None:
            found.timestamp = timestamp
        session.flush()
        return found

    def _submitted_notebooks(self, submission_id):
        """The ids of the submitted notebooks by name; rows that are missing are made."""
        session, table = self._session, api.SubmittedNotebook.__table__
        rows = session.execute(
            select(table.c.notebook_id, table.c.id).filter_by(assignment_id=submission_id)
        ).all()
        known = dict(map(tuple, rows))
        for name, notebook_id in self._notebooks.items():
            if notebook_id in known:
                continue
            known[notebook_id] = new = api.new_uuid()
            session.execute(
                table.insert().values(
                    id=new, notebook_id=notebook_id, assignment_id=submission_id, flagged=False
                )
            )
            for kind, cells in ((api.Grade, self._grade_cells), (api.Comment, self._comment_cells)):
                more = {"needs_manual_grade": True} if kind is api.Grade else {}
                rows = [
                    {"id": api.new_uuid(), "cell_id": cell, "notebook_id": new, **more}
                    for cell in cells[name].values()
                ]
                if rows:
                    session.execute(kind.__table__.insert(), rows)
        return {name: known[notebook_id] for name, notebook_id in self._notebooks.items()}

    def _enter_notebook(self, name, notebook_id, graded):
        cells = {} if graded is None else _cells(graded.content)
        grades, comments = api.Grade.__table__, api.Comment.__table__
        by_hand = {
            cell_id
            for (cell_id,) in self._session.execute(
                select(grades.c.cell_id).where(
                    grades.c.notebook_id == notebook_id, grades.c.manual_score.is_not(None)
                )
            )
        }
        for cell_name, cell_id in self._grade_cells[name].items():
            score = _score(cells.get(cell_name))
            self._session.execute(
                grades.update()
                .where(grades.c.notebook_id == notebook_id, grades.c.cell_id == cell_id)
                .values(auto_score=score, needs_manual_grade=score is None or cell_id in by_hand)
            )
        for cell_name, cell_id in self._comment_cells[name].items():
            self._session.execute(
                comments.update()
                .where(comments.c.notebook_id == notebook_id, comments.c.cell_id == cell_id)
                .values(auto_comment=_comment(cells.get(cell_name)))
            )

    def _set_penalty(self, student, submission, notebook_id):
        """What the course's plugin takes off for being late."""
        late = submission.total_seconds_late if self._due is not None else 0
        penalty = None
        if late > 0:
            notebook = self._session.get(api.SubmittedNotebook, notebook_id, populate_existing=True)
            penalty = self._penalties.plugin_inst.late_submission_penalty(student, notebook.score, late)
            if penalty is not None:
                penalty = self._penalties._check_late_penalty(notebook, penalty)
        table = api.SubmittedNotebook.__table__
        self._session.execute(
            table.update().where(table.c.id == notebook_id).values(late_submission_penalty=penalty)
        )


def gradings(gradebook: api.Gradebook, assignment: str | None = None) -> list[Grading]:
    """How the gradings went, of one assignment or of all."""
    asked = select(GRADINGS).order_by(GRADINGS.c.assignment, GRADINGS.c.student)
    if assignment is not None:
        asked = asked.where(GRADINGS.c.assignment == assignment)
    rows = gradebook.db.execute(asked).mappings().all()
    return [
        Grading(**row | {name: tuple(json.loads(row[name])) for name in ("remarks", "flags")}) for row in rows
    ]


def _row(graded: Graded) -> Mapping[str, object]:
    return {
        "digest": graded.digest,
        "failed": graded.failed,
        "remarks": json.dumps(graded.remarks),
        "flags": json.dumps(graded.flags),
        "seconds": graded.seconds,
        "at": datetime.now(UTC).replace(tzinfo=None),
    }


def _cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells that have a grade or a comment, by name."""
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if is_grade(cell) or is_solution(cell) or is_task(cell)
    }


def _score(cell: NotebookNode | None) -> float | None:
    """The points as nbgrader reads them from the outputs; None waits for a person."""
    if cell is None:
        return 0.0
    return determine_grade(cell, log)[0] if is_grade(cell) else None


def _comment(cell: NotebookNode | None) -> str | None:
    """What nbgrader says of an answer that is as it was released."""
    if cell is None:
        return None
    unchanged = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
    return "No response." if unchanged and not is_task(cell) else None
