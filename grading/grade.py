"""Grade one notebook: a pure function of the master, the bytes that were handed in, and a salt.

It can be called anywhere: in this process, in another, on another machine.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution, is_task

from grading.flags import flags
from grading.marking import Examiner, failure
from grading.master import Master, grade_id, is_test
from grading.rebuild import Unreadable, rebuild
from grading.sandbox import Sandbox, SandboxLost, SandboxMissing
from grading.settings import Rules

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Graded:
    """A notebook with its outputs, and what there is to say of it.

    Attributes
    ----------
    notebook : str
        The name.
    content : str
        The notebook with its outputs, as the text of its file.
    scores : dict of str to float or None
        By grade id, the points as nbgrader reads them from the outputs; None waits for a person.
    comments : dict of str to str or None
        By grade id, what nbgrader says of an answer that is as it was released.
    digest : str
        Of what was handed in.
    failed : str
        Why it could not be graded; empty if it could.
    remarks : tuple of str
        What was odd, for the learner.
    flags : tuple of str
        What the instructor should look at.
    seconds : float
    """

    notebook: str
    content: str
    scores: Mapping[str, float | None]
    comments: Mapping[str, str | None]
    digest: str
    failed: str = ""
    remarks: tuple[str, ...] = field(default=())
    flags: tuple[str, ...] = field(default=())
    seconds: float = 0.0


def digest(master: Master, data: bytes) -> str:
    """A short name of what is graded: of the master, and of what was handed in."""
    return hashlib.sha256(master.fingerprint.encode() + data).hexdigest()


def grade(rules: Rules, master: Master, data: bytes, salt: bytes) -> Graded:
    """Grade one notebook.

    Parameters
    ----------
    rules : Rules
    master : Master
    data : bytes
        The file that was handed in.
    salt : bytes
        Which of the sets of hidden cases it is tried on.

    Returns
    -------
    Graded
        Whatever `data` holds and does: a submission that cannot be graded gets no points, and the reason.

    Raises
    ------
    SandboxMissing
        If nothing can be run here.
    """
    start = time.monotonic()
    try:
        notebook, remarks = rebuild(master, data)
    except Unreadable as problem:
        return not_graded(master, data, f"The file could not be read: {problem}")
    try:
        remarks += _mark(rules, notebook, salt)
    except (SandboxMissing, SandboxLost):
        raise
    except Exception as problem:  # whoever brings the grader to a stop does so for themselves alone
        log.exception("The grader failed on a notebook of %s", master.assignment)
        return not_graded(master, data, f"The grader failed on it ({type(problem).__name__}).")
    sources = [
        cell.source for cell in notebook.cells if cell.cell_type == "code" and not is_locked_by(master, cell)
    ]
    if remarks:
        notebook.cells.insert(0, _note("Notes of the grader", remarks))
    return _graded(
        master,
        notebook,
        data,
        remarks=tuple(remarks),
        flags=tuple(flags(sources, rules.suspicious)),
        seconds=time.monotonic() - start,
    )


def _mark(rules, notebook, salt):
    """Mark it; if the sandbox itself is gone, once more in a new one."""
    try:
        return _examiner(rules).mark(notebook, rules.context(salt))
    except SandboxLost:
        return _examiner(rules).mark(notebook, rules.context(salt))


def not_graded(master: Master, data: bytes, reason: str) -> Graded:
    """The empty exercise with no points, and the reason at its top and in each test."""
    notebook = _notebook(master)
    for cell in notebook.cells:
        if is_test(cell):
            cell.outputs = [failure("NotGraded", reason)]
        elif cell.cell_type == "code":
            cell.outputs = []
    notebook.cells.insert(0, _note("This submission could not be graded", [reason]))
    return _graded(master, notebook, data, failed=reason)


def _graded(master, notebook, data, **more):
    known = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    scores = {name: determine_grade(cell, log)[0] for name, cell in known.items() if is_grade(cell)}
    comments = {name: _comment(cell) for name, cell in known.items() if is_solution(cell) or is_task(cell)}
    content = json.dumps(notebook, ensure_ascii=False)  # nbformat's own writer takes seven times as long
    return Graded(master.notebook, content, scores, comments, digest(master, data), **more)


def _comment(cell):
    unchanged = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
    return "No response." if unchanged and not is_task(cell) else None


def is_locked_by(master: Master, cell: NotebookNode) -> bool:
    """Is it the instructor's cell, not the learner's?"""
    return grade_id(cell) in master.by_id and not is_solution(cell)


def _notebook(master):
    cells = [nbformat.from_dict(cell) for cell in master.cells]
    return nbformat.v4.new_notebook(metadata=nbformat.from_dict(master.metadata), cells=cells)


def _note(title, sentences):
    lines = "\n".join(f"- {_plain(sentence)}" for sentence in sentences)
    return nbformat.v4.new_markdown_cell(f"**{title}**\n\n{lines}", id="notes-of-the-grader")


def _plain(sentence):
    """Text that Markdown and HTML take as it is: a message may repeat what a learner wrote."""
    return "".join(f"&#{ord(sign)};" if sign in "<>&*_`[]()!#|\\\n" else sign for sign in sentence)


_examiners: dict[Rules, Examiner] = {}


def _examiner(rules: Rules) -> Examiner:
    """The examiner of this process for `rules`, with a sandbox that has everything loaded."""
    known = _examiners.get(rules)
    if known is None or not known.sandbox.is_running:
        for other in _examiners.values():
            other.sandbox.close()
        _examiners.clear()
        _examiners[rules] = known = Examiner(Sandbox(rules.recipe), rules.times)
    return known
