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


STUDENTS, SUBMISSIONS, NOTEBOOKS = (
    kind.__table__ for kind in (api.Student, api.SubmittedAssignment, api.SubmittedNotebook)
)
GRADES, COMMENTS = api.Grade.__table__, api.Comment.__table__

# Made once: to make a statement takes as long as to run it.
FIND_STUDENT = select(STUDENTS.c.id).where(STUDENTS.c.id == bindparam("student"))
FIND_SUBMISSION = select(SUBMISSIONS.c.id).where(
    SUBMISSIONS.c.assignment_id == bindparam("assignment_id"),
    SUBMISSIONS.c.student_id == bindparam("student_id"),
)
SET_TIMESTAMP = (
    SUBMISSIONS.update().where(SUBMISSIONS.c.id == bindparam("of")).values(timestamp=bindparam("at"))
)
FIND_NOTEBOOKS = select(NOTEBOOKS.c.notebook_id, NOTEBOOKS.c.id).where(
    NOTEBOOKS.c.assignment_id == bindparam("of")
)
SET_PENALTY = (
    NOTEBOOKS.update()
    .where(NOTEBOOKS.c.id == bindparam("here"))
    .values(late_submission_penalty=bindparam("penalty"))
)
FIND_BY_HAND = select(GRADES.c.cell_id).where(
    GRADES.c.notebook_id == bindparam("here"), GRADES.c.manual_score.is_not(None)
)
SET_GRADE = (
    GRADES.update()
    .where(GRADES.c.notebook_id == bindparam("here"), GRADES.c.cell_id == bindparam("cell"))
    .values(auto_score=bindparam("score"), needs_manual_grade=bindparam("waits"))
)
SET_COMMENT = (
    COMMENTS.update()
    .where(COMMENTS.c.notebook_id == bindparam("here"), COMMENTS.c.cell_id == bindparam("cell"))
    .values(auto_comment=bindparam("comment"))
)
FORGET = delete(GRADINGS).where(
    *(column == bindparam(f"the_{column.name}") for column in GRADINGS.primary_key.columns)
)


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
        session = self._gradebook.db
        rows = session.execute(select(*columns).where(GRADINGS.c.assignment == self.assignment)).all()
        session.rollback()
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
        session = self._gradebook.db
        try:
            books = session.connection()
            submission, is_new = self._submission(books, student, timestamp)
            known = {} if is_new else dict(map(tuple, books.execute(FIND_NOTEBOOKS, {"of": submission})))
            for name, notebook_id in self._notebooks.items():
                here = known.get(notebook_id)
                enter = self._add_notebook if here is None else self._change_notebook
                here = enter(books, name, here, submission, graded.get(name))
                if self._due is not None:
                    self._set_penalty(student, submission, here)
                key = {"assignment": self.assignment, "student": student, "notebook": name}
                books.execute(FORGET, {f"the_{column}": value for column, value in key.items()})
                if name in graded:
                    books.execute(GRADINGS.insert(), {**key, **_row(graded[name])})
            session.commit()
        except BaseException:
            session.rollback()
            raise

    def _submission(self, books, student, timestamp):
        """The id of the student's row for this assignment, and whether it has just been made."""
        key = {"assignment_id": self._id, "student_id": student}
        known = books.scalar(FIND_SUBMISSION, key)
        if known is None:
            if books.scalar(FIND_STUDENT, {"student": student}) is None:
                books.execute(STUDENTS.insert(), {"id": student})
            new = api.new_uuid()
            books.execute(SUBMISSIONS.insert(), {"id": new, "timestamp": timestamp, **key})
            return new, True
        if timestamp is not None:
            books.execute(SET_TIMESTAMP, {"of": known, "at": timestamp})
        return known, False

    def _add_notebook(self, books, name, _, submission, graded):
        """A row for the notebook, and one for each of its grades and comments; returns its id."""
        here = api.new_uuid()
        row = {"id": here, "notebook_id": self._notebooks[name], "assignment_id": submission}
        books.execute(NOTEBOOKS.insert(), {**row, "flagged": False})
        grades = [
            {"cell_id": cell, "notebook_id": here, "auto_score": score, "needs_manual_grade": score is None}
            for cell, score in self._scores(name, graded)
        ]
        comments = [
            {"cell_id": cell, "notebook_id": here, "auto_comment": comment}
            for cell, comment in self._comments(name, graded)
        ]
        for table, rows in ((GRADES, grades), (COMMENTS, comments)):
            if rows:
                books.execute(table.insert(), rows)
        return here

    def _change_notebook(self, books, name, here, _, graded):
        """Other scores and comments in the rows that there are; returns the notebook's id."""
        books.execute(SET_PENALTY, {"here": here, "penalty": None})
        by_hand = set(books.scalars(FIND_BY_HAND, {"here": here}))
        grades = [
            {"here": here, "cell": cell, "score": score, "waits": score is None or cell in by_hand}
            for cell, score in self._scores(name, graded)
        ]
        comments = [
            {"here": here, "cell": cell, "comment": comment} for cell, comment in self._comments(name, graded)
        ]
        for statement, rows in ((SET_GRADE, grades), (SET_COMMENT, comments)):
            if rows:  # one statement for all cells
                books.execute(statement, rows)
        return here

    def _scores(self, name, graded):
        """By the id of its cell, each score; a notebook that was not handed in has zero points."""
        for cell, cell_id in self._grade_cells[name].items():
            yield cell_id, 0.0 if graded is None else graded.scores.get(cell, 0.0)

    def _comments(self, name, graded):
        for cell, cell_id in self._comment_cells[name].items():
            yield cell_id, None if graded is None else graded.comments.get(cell)

    def _set_penalty(self, student, submission, here):
        """What the course's plugin takes off for being late."""
        session = self._gradebook.db
        late = session.get(api.SubmittedAssignment, submission, populate_existing=True).total_seconds_late
        if late <= 0:
            return
        notebook = session.get(api.SubmittedNotebook, here, populate_existing=True)
        penalty = self._penalties.plugin_inst.late_submission_penalty(student, notebook.score, late)
        if penalty is not None:
            penalty = self._penalties._check_late_penalty(notebook, penalty)
        session.execute(SET_PENALTY, {"here": here, "penalty": penalty})


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
