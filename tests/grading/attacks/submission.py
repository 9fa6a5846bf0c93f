"""How the attacks are written: as the cells of a learner, or as the bytes of a file."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import nbformat
from nbformat import NotebookNode

RIGHT_UPDATE = """
def update_running_statistics(running_mean, running_var, mean, var, m, momentum=0.1):
    running_mean = (1 - momentum) * running_mean + momentum * mean
    return running_mean, (1 - momentum) * running_var + momentum * var * m / (m - 1)
"""
"""The honest part that nearly every attacker has, worth 3 points."""

WRONG_FORWARD = """
def batchnorm_forward(x, gamma, beta, eps=1e-5):
    return x, x, x[0], x[0]
"""
"""What they want points for: it earns none."""

RIGHT_COMBINE = """
def combine_moments(count_a, mean_a, var_a, count_b, mean_b, var_b):
    count = count_a + count_b
    a, b = count_a / count, count_b / count
    if count_a == 0 or count_b == 0:
        return (count, mean_a, var_a) if count_b == 0 else (count, mean_b, var_b)
    return count, a * mean_a + b * mean_b, a * var_a + b * var_b + a * b * (mean_a - mean_b) ** 2
"""
"""The honest part of those who attack the problem set with torch, worth 2 points."""


@dataclass(frozen=True)
class World:
    """What is there to be found around the grader.

    Attributes
    ----------
    course : Path
        The course's folder, with solutions, gradebook and the submissions of others.
    open_folder : Path
        A folder outside of it in which everybody may write.
    port : int
        A port of this machine on which somebody listens, by TCP and by UDP.
    socket : Path
        A socket with a name, on which somebody listens too.
    """

    course: Path
    open_folder: Path
    port: int
    socket: Path


@dataclass
class Submission:
    """What an attacker hands in: the released notebook, as far as they have changed it.

    Attributes
    ----------
    notebook : NotebookNode
        The released exercise, to be changed.
    world : World
    folder : Path
        Where it is handed in.
    """

    notebook: NotebookNode
    world: World
    folder: Path
    data: bytes | None = field(default=None)

    def place(self, grade_id: str) -> int:
        """Where the cell of this name is."""
        names = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in self.notebook.cells]
        return names.index(grade_id)

    def cell(self, grade_id: str) -> NotebookNode:
        """The cell of this name."""
        return self.notebook.cells[self.place(grade_id)]

    def answer(self, grade_id: str, source: str) -> None:
        """Write an answer into the cell of this name."""
        self.cell(grade_id).source = dedent(source).strip()

    def own(self, source: str, before: str = "") -> None:
        """Add a cell before the one of this name, or before the first that is to be answered."""
        answers = (cell.metadata.get("nbgrader", {}) for cell in self.notebook.cells)
        first = next(details["grade_id"] for details in answers if details.get("solution"))
        cell = nbformat.v4.new_code_cell(dedent(source).strip())
        self.notebook.cells.insert(self.place(before or first), cell)

    def attach(self, name: str, data: bytes) -> None:
        """Hand in another file beside the notebook."""
        (self.folder / name).write_bytes(data)

    @property
    def path(self) -> Path:
        """The file of the notebook."""
        return self.folder / f"{self.folder.name}.ipynb"


@dataclass(frozen=True)
class Attack:
    """One of the functions, and what its submission deserves.

    Attributes
    ----------
    write : callable
        Takes a `Submission`. What it returns, if anything, is the content of the file.
    deserves : dict of str to float
        By function; 0 for all others.
    reason : str
        A part of the recorded reason why it could not be graded; empty where it can be.
    remark : str
        A part of a remark that the learner gets; empty if none is expected.
    flag : str
        A name that is flagged for the instructor; empty if none is expected.
    spoils : bool
        What it does may cost it points that it would have deserved.
    """

    write: Callable[[Submission], bytes | None]
    deserves: Mapping[str, float]
    reason: str = ""
    remark: str = ""
    flag: str = ""
    spoils: bool = False

    @property
    def name(self) -> str:
        """Under which it hands in."""
        return self.write.__name__


class Attacks(dict[str, Attack]):
    """All attacks on one problem set, by name.

    Parameters
    ----------
    assignment : str
    start : dict of str to str
        The answers, by grade id, that a submission starts with.
    deserves : dict of str to float
        What these deserve, by function; 0 for all others.
    """

    def __init__(self, assignment: str, start: Mapping[str, str], deserves: Mapping[str, float]):
        self.assignment, self.start, self._deserves = assignment, start, deserves

    def enter(
        self, reason: str = "", remark: str = "", flag: str = "", spoils: bool = False, **deserves: float
    ) -> Callable[[Callable], Callable]:
        """Enter a function here; its honest parts deserve their points unless said otherwise."""

        def enter(write):
            earned = {} if reason else self._deserves
            self[write.__name__] = Attack(write, {**earned, **deserves}, reason, remark, flag, spoils)
            return write

        return enter


ATTACKS = Attacks(
    "ps2_batchnorm",
    {"update_running_statistics": RIGHT_UPDATE, "batchnorm_forward": WRONG_FORWARD},
    {"update_running_statistics": 3.0},
)
attack = ATTACKS.enter

TORCH_ATTACKS = Attacks("ps4_torch", {"combine_moments": RIGHT_COMBINE}, {"combine_moments": 2.0})
torch_attack = TORCH_ATTACKS.enter


def hand_in(
    attacks: Attacks, name: str, exercise: NotebookNode, world: World, submitted: Path, student: str = ""
) -> None:
    """Let an attack hand in what it makes of the exercise, as `student` or under its own name."""
    folder = submitted / (student or name) / attacks.assignment
    folder.mkdir(parents=True)
    submission = Submission(deepcopy(exercise), world, folder)
    for answer in attacks.start.items():
        submission.answer(*answer)
    data = attacks[name].write(submission)
    if data is None:
        data = json.dumps(submission.notebook).encode()
    if not submission.path.exists() and not submission.path.is_symlink():
        submission.path.write_bytes(data)
