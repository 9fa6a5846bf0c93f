"""What was handed in: found and read without believing a file name or a file."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc

from grading.rebuild import LARGEST

NAME = re.compile(r"[^\x00-\x1f\x7f/]{1,128}")
"""What a student's folder may be called: nbgrader keeps 128 characters."""


@dataclass(frozen=True)
class Submission:
    """Where one student's files of an assignment are.

    Attributes
    ----------
    student, assignment : str
    folder : Path
    """

    student: str
    assignment: str
    folder: Path

    def timestamp(self) -> datetime | None:
        """When it was handed in, if that is known."""
        try:
            text = read(self.folder / "timestamp.txt", 1000).decode()
            return parse_utc(text.strip()) if text.strip() else None
        except (NoFile, NotReadable, ValueError, OverflowError):
            return None


class NoFile(Exception):
    """Nothing was handed in."""


class NotReadable(Exception):
    """There is something that is no file; the message says what."""


def find(course: CourseDirectory, assignment: str) -> tuple[list[Submission], list[str]]:
    """The submissions of an assignment, by student, and the folders whose names nbgrader cannot keep.

    The course's own choice of students, ``student_id`` and ``student_id_exclude``, holds.
    """
    pattern = course.format_path(course.submitted_directory, course.student_id, assignment)
    named = course.format_path(course.submitted_directory, "(?P<student>.*)", assignment, escape=True)
    excluded = set(filter(None, course.student_id_exclude.split(",")))
    found, odd = [], []
    for folder in sorted(_matching(course.root, pattern)):
        match = re.fullmatch(named, str(folder), re.DOTALL)
        if match is None or not NAME.fullmatch(match["student"]):
            odd.append(str(folder))
        elif match["student"] not in excluded:
            found.append(Submission(match["student"], assignment, folder))
    return found, odd


def _matching(root: str, pattern: str) -> Iterator[Path]:
    pattern = os.path.relpath(pattern, root)
    folders = (folder for folder in Path(root).glob(pattern) if folder.is_dir())
    return (folder for folder in folders if not (folder.is_symlink() or folder.parent.is_symlink()))


def read(path: Path, limit: int = LARGEST) -> bytes:
    """The content of a file, up to one byte more than `limit`.

    Raises
    ------
    NoFile
        If there is nothing.
    NotReadable
        If it is a link, a folder, a device, or may not be read.
    """
    try:
        # Without waiting: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoFile(str(path)) from None
    except OSError as problem:
        what = "a symbolic link" if problem.errno == errno.ELOOP else f"not readable ({problem.strerror})"
        raise NotReadable(f"{path.name} is {what}, expected a file") from None
    try:
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "no ordinary file"
            raise NotReadable(f"{path.name} is {what}, expected a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    except OSError as problem:
        raise NotReadable(f"{path.name} is not readable ({problem.strerror})") from None
    finally:
        os.close(descriptor)
