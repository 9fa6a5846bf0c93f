"""``nbgrader autograde``, with every submission run in the sandbox.

`install` in ``nbgrader_config.py`` puts `TrustedAutograde` in the place of nbgrader's step, for the
command and for the button in Formgrader. Options, files and gradebook are nbgrader's.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbgrader.apps.api
import nbgrader.apps.autogradeapp
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, NbGraderException
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import find_all_files

from grading.books import TRIES, Books, open_gradebook
from grading.grade import Graded, digest
from grading.master import NotReleased, read_master
from grading.sandbox import SandboxMissing
from grading.settings import TrustedGrader
from grading.submissions import NoFile, NotReadable, Submission, find, read
from grading.tasks import Shared, Task

UNFINISHED = ".grading-"
"""What the name of a folder that is being written begins with."""

ABANDONED = 600.0
"""After how many seconds such a folder is taken to be left by a grader that was killed."""


class TrustedAutograde(Autograde):
    """nbgrader's step, from the submitted files to the gradebook."""

    def init_notebooks(self) -> None:
        """Find the submissions; a file is not touched before its turn."""
        self.submissions, odd = find(self.coursedir, self.coursedir.assignment_id)
        for folder in odd:
            self.log.error("Left out, because nbgrader cannot keep such a name: %r", folder)
        if not self.submissions:
            message = f"No submissions of '{self.coursedir.assignment_id}' were found"
            self.log.error(message)
            raise NbGraderException(message)

    def convert_notebooks(self) -> None:
        """Grade one submission after the other."""
        try:
            with open_gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
                session = GradingSession(self, gradebook)
                for submission in session.to_do(self.submissions):
                    self.log.info("Grading %s of %s", submission.assignment, submission.student)
                    session.enter(submission, session.task(submission)())
        except (NotReleased, SandboxMissing) as problem:
            self.log.error("%s", problem)
            raise NbGraderException(str(problem)) from None


def install() -> None:
    """Put `TrustedAutograde` in the place of nbgrader's step."""
    nbgrader.apps.autogradeapp.Autograde = TrustedAutograde
    nbgrader.apps.api.Autograde = TrustedAutograde


class GradingSession:
    """What is the same for all submissions of an assignment.

    Parameters
    ----------
    step : Autograde
        With the options: ``force``, ``create_student``, the course's folder.
    gradebook : Gradebook
        From `open_gradebook`.

    Raises
    ------
    NotReleased
        If there is no master to grade by.
    """

    def __init__(self, step: Autograde, gradebook: Gradebook):
        self._step, self._course = step, step.coursedir
        self.assignment = self._course.assignment_id
        settings = TrustedGrader(parent=step)
        self._salt = settings.salt
        self.rules = rules = settings.rules(self.assignment)
        try:
            self.books = Books(gradebook, self.assignment, AssignLatePenalties(parent=step))
        except MissingEntry:
            raise NotReleased(
                f"No assignment '{self.assignment}' exists in the database. "
                f"Run: nbgrader generate_assignment {self.assignment}"
            ) from None
        names = self.books.notebooks
        self._masters = {name: read_master(gradebook, self._course, self.assignment, name) for name in names}
        self._shared = Shared.of(rules, self._masters)
        source = self._course.format_path(self._course.source_directory, ".", self.assignment)
        supplies = find_all_files(source, [*self._course.ignore, "*.ipynb"])
        self._supplies = [(file, os.path.relpath(file, source)) for file in supplies]
        gradebook.db.rollback()
        self._students = None if step.create_student else {each.id for each in gradebook.students}

    def to_do(self, submissions: list[Submission]) -> Iterator[Submission]:
        """Those that are not graded yet as they are now."""
        done = self.books.digests()
        for submission in submissions:
            if self._students is not None and submission.student not in self._students:
                self._step.log.error("No student with ID '%s' exists in the database", submission.student)
            elif self._step.force or not self._is_graded(submission, done):
                yield submission
            else:
                self._step.log.info("Skipping existing assignment: %s", self._destination(submission))

    def task(self, submission: Submission) -> Task:
        """What is to be done for one."""
        salt = self._salt(self._course.root, self.assignment, submission.student)
        return Task(self._shared, self._files(submission), salt)

    def enter(self, submission: Submission, graded: list[Graded]) -> None:
        """Write the notebooks, then the grades: whoever is stopped in between starts this one again."""
        self._write(submission, graded)
        self.books.enter(submission.student, submission.timestamp(), graded)

    def _files(self, submission):
        """Each notebook's bytes, or why it has none."""
        files = {}
        for name in self._masters:
            try:
                files[name] = read(submission.folder / f"{name}.ipynb")
            except NoFile:
                self._step.log.warning("No submitted file: %s", submission.folder / f"{name}.ipynb")
            except NotReadable as problem:
                files[name] = str(problem)
        return files

    def _is_graded(self, submission, done):
        files = self._files(submission)
        known = {name for student, name in done if student == submission.student}
        return known == files.keys() and all(
            done[submission.student, name]
            == digest(self._masters[name], data if isinstance(data, bytes) else b"")
            and (self._destination(submission) / f"{name}.ipynb").exists()
            for name, data in files.items()
        )

    def _destination(self, submission):
        return Path(
            self._course.format_path(self._course.autograded_directory, submission.student, self.assignment)
        )

    def _write(self, submission, graded):
        """Put a folder with the graded notebooks in the place of what is there."""
        destination = self._destination(submission)
        destination.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in destination.parent.glob(f"{UNFINISHED}*"):
            if time.time() - unfinished.stat().st_mtime > ABANDONED:
                shutil.rmtree(unfinished, ignore_errors=True)
        new = Path(tempfile.mkdtemp(dir=destination.parent, prefix=UNFINISHED))
        for file, place in self._supplies:
            target = new / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        for each in graded:
            (new / f"{each.notebook}.ipynb").write_text(each.content, encoding="utf-8")
        timestamp = submission.timestamp()
        if timestamp is not None:
            (new / "timestamp.txt").write_text(timestamp.isoformat(" "))
        for file in new.rglob("*"):
            if file.is_file():
                file.chmod(int(str(self._step.permissions), 8))
        new.chmod(0o755)
        _put(new, destination)


def _put(new: Path, destination: Path) -> None:
    """Give a folder its place, also where another grader does the same for the same submission."""
    for tried in range(1, TRIES + 1):
        shutil.rmtree(destination, ignore_errors=True)
        try:
            new.rename(destination)
            return
        except OSError:
            if tried == TRIES:
                raise
