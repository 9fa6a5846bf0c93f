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

from nbgrader import api
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Float,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    event,
    make_url,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from grading.grade import Graded

log = logging.getLogger(__name__)

PATIENCE = 120
"""How long to wait for another program that writes into the same gradebook, in seconds."""

TRIES = 5
"""How often a transaction is tried that another writer has spoilt."""

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
    url = make_url(db_url)
    if url.get_backend_name() == "sqlite":
        url = url.update_query_dict({"timeout": str(PATIENCE)})
    gradebook = api.Gradebook(url.render_as_string(hide_password=False), course_id)
    if url.get_backend_name() == "sqlite":
        _begin_as_writer(gradebook.engine)
    _add_tables(gradebook.engine)
    return gradebook


def _add_tables(engine: Engine) -> None:
    """Make what is not there yet; another grader may do so at the same moment."""
    for tried in range(1, TRIES + 1):
        try:
            TABLES.create_all(engine)
            for index in INDEXES:
                index.create(engine, checkfirst=True)
            return
        except DBAPIError:
            if tried == TRIES:
                raise


def _begin_as_writer(engine: Engine) -> None:
    """Ask SQLite for the right to write at the beginning of a transaction, and wait for it.

    A transaction that begins by reading and then wants to write is refused at once while another
    writes: "database is locked".
    """
    engine.dispose()

    @event.listens_for(engine, "connect")
    def leave_begin_to_us(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


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
        for tried in range(1, TRIES + 1):
            try:
                self._enter(student, timestamp, graded)
                return
            except (IntegrityError, OperationalError):
                if tried == TRIES:
                    raise
                log.info("Another program wrote grades of %s; once more", student)

    def _enter(self, student, timestamp, graded):
        session = self._session
        try:
            submission = self._submission(student, timestamp)
            for name, notebook_id in self._submitted_notebooks(submission).items():
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
        """The id of the student's row for this assignment; rows that are missing are made."""
        session, table = self._session, api.SubmittedAssignment.__table__
        key = {"assignment_id": self._id, "student_id": student}
        known = session.scalar(select(table.c.id).filter_by(**key))
        if known is None:
            students = api.Student.__table__
            if session.scalar(select(students.c.id).filter_by(id=student)) is None:
                session.execute(students.insert().values(id=student))
            known = api.new_uuid()
            session.execute(table.insert().values(id=known, timestamp=timestamp, **key))
        elif timestamp is not None:
            session.execute(table.update().filter_by(id=known).values(timestamp=timestamp))
        return known

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
        """The scores and comments; a notebook that was not handed in has zero points."""
        grades, comments = api.Grade.__table__, api.Comment.__table__
        given = select(grades.c.cell_id).where(
            grades.c.notebook_id == notebook_id, grades.c.manual_score.is_not(None)
        )
        by_hand = set(self._session.scalars(given))
        rows = []
        for cell, cell_id in self._grade_cells[name].items():
            score = 0.0 if graded is None else graded.scores.get(cell, 0.0)
            rows.append({"cell": cell_id, "score": score, "waits": score is None or cell_id in by_hand})
        self._update(grades, notebook_id, rows, auto_score="score", needs_manual_grade="waits")
        rows = [
            {"cell": cell_id, "comment": None if graded is None else graded.comments.get(cell)}
            for cell, cell_id in self._comment_cells[name].items()
        ]
        self._update(comments, notebook_id, rows, auto_comment="comment")

    def _update(self, table, notebook_id, rows, **values):
        """One statement for all cells of a notebook."""
        if rows:
            here = (table.c.notebook_id == notebook_id) & (table.c.cell_id == bindparam("cell"))
            values = {column: bindparam(name) for column, name in values.items()}
            self._session.connection().execute(table.update().where(here).values(values), rows)

    def _set_penalty(self, student, submission, notebook_id):
        """What the course's plugin takes off for being late."""
        late, penalty = 0, None
        if self._due is not None:
            row = self._session.get(api.SubmittedAssignment, submission, populate_existing=True)
            late = row.total_seconds_late
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
        Grading(**dict(row) | {name: tuple(json.loads(row[name])) for name in ("remarks", "flags")})
        for row in rows
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
