"""The grading of one submission as a message: plain bytes that any machine with this package can work on."""

import hashlib
import pickle
from dataclasses import dataclass
from functools import cached_property, lru_cache

from grading.grade import Graded, grade, not_graded
from grading.master import Master
from grading.settings import Rules


@dataclass(frozen=True)
class Shared:
    """What all tasks of an assignment have in common, made into bytes once.

    Attributes
    ----------
    data : bytes
        The grader's own, which may be pickled: nothing that a learner wrote is in it.
    """

    data: bytes

    @cached_property
    def name(self) -> str:
        """A short name, which no other has."""
        return hashlib.sha256(self.data).hexdigest()

    @classmethod
    def of(cls, rules: Rules, masters: dict[str, Master]) -> "Shared":
        """Make it."""
        return cls(pickle.dumps((rules, masters)))


@dataclass(frozen=True)
class Task:
    """The grading of one submission.

    Attributes
    ----------
    shared : Shared
    files : dict of str to bytes or str
        For each notebook that was handed in its bytes, or why it could not be read.
    salt : bytes
    """

    shared: Shared
    files: dict[str, bytes | str]
    salt: bytes

    def __call__(self) -> list[Graded]:
        """Grade each notebook."""
        rules, masters = _unpacked(self.shared)
        return [
            grade(rules, masters[name], content, self.salt)
            if isinstance(content, bytes)
            else not_graded(masters[name], b"", content)
            for name, content in self.files.items()
        ]


@lru_cache(maxsize=8)
def _unpacked(shared: Shared) -> tuple[Rules, dict[str, Master]]:
    return pickle.loads(shared.data)
