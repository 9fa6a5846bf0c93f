"""Run a rebuilt notebook: the learner's cells in the sandbox, the instructor's tests out here.

Whatever a cell of the learner's does, it can only answer. The tests, the values that they expect and
the verdict stay on this side.
"""

import ast
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_locked

from grading.answers import AnswerFailed, Branch
from grading.definitions import Definitions, free_names
from grading.inside import wire
from grading.inside.display import OUTPUTS, Shell
from grading.inside.isolation import NOTICED_LATE, WATCHING
from grading.master import is_test
from grading.sandbox import GRACE, Lost, Run, Sandbox

IMAGE = 2 << 20
"""The longest picture that is kept, in characters."""


SHOWN = 10 << 20
"""How much the learner's cells of a notebook may show together, in characters."""

SOON = 1.0
"""How long, in seconds, all cells together may take for the tests to run in the notebook's own process, and
how long one call there. What takes longer is called in a child, if need be after the cells have run again."""


@dataclass(frozen=True)
class Times:
    """How long things may take, in seconds: one cell, one call by a test, the whole submission."""

    cell: float = 60.0
    call: float = 60.0
    submission: float = 600.0


@dataclass
class Progress:
    """What is known of a notebook while it runs, and outlives the loss of its process."""

    until: float
    careful: bool = False  # whether each cell waits until it is known to be within the limits
    in_child: bool = False  # whether the tests leave the notebook's own process alone
    shown: int = 0
    harmful: dict[int, str] = field(default_factory=dict)
    marked: set[int] = field(default_factory=set)

    def within(self, outputs: list[NotebookNode]) -> list[NotebookNode]:
        """`outputs`, or a note in their place where the notebook has shown too much already."""
        self.shown += len(str(outputs))
        if self.shown <= SHOWN:
            return outputs
        says = "What this cell shows is left out: the notebook shows too much in all."
        return [nbformat.v4.new_output("stream", name="stdout", text=says)]

    def left(self, seconds: float) -> float:
        """`seconds`, or what is left of the submission's time."""
        return max(0.01, min(seconds, self.until - time.monotonic()))


class _TestShell(Shell):
    """Where tests run: it leaves ``__main__`` to the grader, and reads the same test only once."""

    kinds = (*Shell.kinds, "text/html", "text/markdown", "text/latex", "image/svg+xml")

    def init_sys_modules(self):
        self._main_mod_cache = {}

    def show_usage_error(self, exc):
        """A magic that does not work is an error like any other; IPython would only write to `stderr`."""
        self._showtraceback(type(exc), exc, [f"UsageError: {exc}"])

    @lru_cache(maxsize=1024)  # noqa: B019, there is one shell in a process
    def plain(self, source: str) -> str:
        """A cell of the instructor's without IPython's own syntax."""
        return self.transform_cell(source)

    @lru_cache(maxsize=1024)  # noqa: B019
    def _compiled(self, source: str) -> list[CodeType]:
        """What a test does, and by itself what its last line shows."""
        name = self.compile.cache(self.plain(source), raw_code=source)  # for tracebacks
        statements = ast.parse(self.plain(source)).body
        last = [statements.pop()] if statements and isinstance(statements[-1], ast.Expr) else []
        return [
            self.compile(ast.Module(statements, []), name, "exec"),
            self.compile(ast.Interactive(last), name, "single"),
        ]

    def run_test(self, source: str) -> list[dict]:
        """Run a test and return its outputs, as `run` does."""
        with self.collected() as shown, self.builtin_trap, self.display_trap:
            try:
                for code in self._compiled(source):
                    exec(code, self.user_ns)
            except BaseException:
                self.showtraceback()
        return shown.outputs


@dataclass(frozen=True)
class _Place:
    """A test, and what the instructor's cells before it define."""

    number: int
    cell: NotebookNode
    definitions: Definitions
    source: str

    @property
    def names(self) -> frozenset[str]:
        return free_names(self.source)


def _look_up(branch: Branch, places: list[_Place]) -> list[dict[str, object]]:
    """For each test, the values of the names that are not the instructor's; those that there are."""
    wanted = [(state, sorted(place.definitions.lacking(place.names))) for state, place in enumerate(places)]
    try:
        found = branch.ask("look_up", wanted=wanted)
    except AnswerFailed:
        found = None
    found = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    # Where something is missing, the tests will say that there is no such name.
    return found if len(found) == len(places) else [{} for _ in places]


class Examiner:
    """Marks notebooks, one after the other.

    Parameters
    ----------
    sandbox : Sandbox
    times : Times
    """

    def __init__(self, sandbox: Sandbox, times: Times):
        self.sandbox, self._times = sandbox, times
        self._shell = _TestShell.instance()

    def mark(
        self, notebook: NotebookNode, during: Callable[[], AbstractContextManager] = nullcontext
    ) -> list[str]:
        """Put the outputs into `notebook`: those of the learner's cells, and those of the tests.

        Parameters
        ----------
        notebook : NotebookNode
            As `rebuild` makes it; the outputs of its code cells are set.
        during : callable
            Gives a context in which the tests run.

        Returns
        -------
        list of str
            What went wrong, in sentences.
        """
        self._shell.user_ns.clear()
        self._shell.init_user_ns()
        self._shell.execution_count = 1
        for cell in notebook.cells:
            if is_test(cell):  # without any output it would earn all points
                cell.outputs = [failure("SubmissionEnded", "the time for this submission was used up before")]
        progress = Progress(time.monotonic() + self._times.submission)
        while True:
            try:
                with self.sandbox.submission() as run, during():
                    self._go_through(notebook, run, progress)
                break
            except Lost as problem:
                if not self._note_loss(notebook, progress, str(problem)):
                    break
        return [f"Cell {number + 1} {why}." for number, why in sorted(progress.harmful.items())]

    def _go_through(self, notebook, run, progress):
        """All cells but the tests in order, then the tests, each with the names of its place.

        So whatever a function has seen in a test, there is no cell left that could show it; and one process
        is enough for all tests. What is known to end everything is left out.
        """
        progress.shown = 0
        start, definitions = time.monotonic(), Definitions()
        places: list[_Place] = []
        for self._at, cell in enumerate(notebook.cells):
            if cell.cell_type != "code" or self._at in progress.marked.union(progress.harmful):
                continue
            cell.execution_count = self._at + 1
            if is_test(cell):
                run.say(do="keep")
                places.append(_Place(self._at, cell, definitions.copy(), self._shell.plain(cell.source)))
                continue
            cell.outputs = progress.within(cleaned(self._run_cell(cell.source, run, progress)))
            if progress.careful:
                time.sleep(5 * WATCHING)
                self._run_cell("", run, progress)  # whose process has been ended does not answer
            if is_locked(cell):
                definitions.read(self._shell.plain(cell.source))
        progress.in_child = progress.in_child or time.monotonic() - start > SOON
        branch = None
        for state, place in enumerate(places):
            self._at = place.number
            if branch is None or branch.ended:
                seconds = progress.left(self._times.call)
                branch = Branch(run, seconds if progress.in_child else min(SOON, seconds), progress.in_child)
                found = _look_up(branch, places)
            branch.state = state
            place.cell.outputs = self._test(place, found[state])
            if run.lost:
                raise run.lost
            progress.marked.add(self._at)

    def _run_cell(self, source, run: Run, progress):
        seconds = progress.left(self._times.cell)
        try:
            return run.ask(seconds, do="run", source=source).get("outputs")
        except wire.TimedOut:
            run.interrupt()
        try:
            return run.hear(GRACE).get("outputs")
        except wire.TimedOut:
            raise run.lose(f"took more than {seconds:.3g} s and could not be interrupted") from None

    def _test(self, place, found):
        namespace = self._shell.user_ns
        place.definitions.provide(place.names, namespace)
        added = {name: found[name] for name in place.names & found.keys() - namespace.keys()}
        namespace.update(added)
        outputs = self._shell.run_test(place.cell.source)
        for name in added:
            namespace.pop(name, None)
        # What goes to stderr would cost all points, and a warning of the grader is not the learner's.
        return [nbformat.from_dict(each) for each in outputs if each.get("name") != "stderr"]

    def _note_loss(self, notebook, progress, problem):
        """Remember which cell it was; say whether to try again without it, or to find out first."""
        if is_test(notebook.cells[self._at]) and not progress.in_child:
            progress.in_child = True
            return progress.until > time.monotonic()
        if problem.startswith(NOTICED_LATE) and not progress.careful:
            progress.careful = True
            return progress.until > time.monotonic()
        cell = notebook.cells[self._at]
        progress.harmful[self._at] = problem
        cell.outputs = [
            failure("SubmissionEnded", f"this cell {problem}. The other cells were run without it")
        ]
        return progress.until > time.monotonic()


def failure(name: str, says: str) -> NotebookNode:
    """An error, as the output of a cell: it gives no points, and the feedback shows it."""
    # nbformat's own makers of outputs validate each, which takes long.
    error = {"output_type": "error", "ename": name, "evalue": says, "traceback": [f"{name}: {says}"]}
    return nbformat.from_dict(error)


def cleaned(outputs: object) -> list[NotebookNode]:
    """What can be shown of the outputs that come from the sandbox."""
    kept = []
    for output in outputs[:OUTPUTS] if isinstance(outputs, list) else ():
        output = output if isinstance(output, dict) else {}
        kind = _text(output.get("output_type"))
        if kind == "stream":
            name = "stderr" if _text(output.get("name")) == "stderr" else "stdout"
            kept.append({"output_type": "stream", "name": name, "text": _text(output.get("text"))})
        elif kind in ("execute_result", "display_data"):
            data = _shown(output.get("data"))
            if data:
                kept.append({"output_type": "display_data", "data": data, "metadata": {}})
        elif kind == "error":
            lines = output.get("traceback")
            lines = lines if isinstance(lines, list | tuple) else ()
            named = {key: _text(output.get(key)) for key in ("ename", "evalue")}
            kept.append({"output_type": "error", "traceback": [*map(_text, lines[:200])], **named})
    return [nbformat.from_dict(output) for output in kept]


def _shown(data):
    data = data if isinstance(data, dict) else {}
    shown = {kind: data[kind] for kind in Shell.kinds if isinstance(data.get(kind), str)}
    if not _is_picture(shown.get("image/png", "")):
        shown.pop("image/png", None)
    return {kind: _text(text) if kind == "text/plain" else text for kind, text in shown.items()}


def _is_picture(text):
    """Is it no more than the characters that pictures are written in? It becomes a part of the page."""
    return len(text) <= IMAGE and re.fullmatch(r"[A-Za-z0-9+/=\s]*", text) is not None


def _text(value):
    if not isinstance(value, str):
        return ""
    return value[:100_000].encode("utf-8", "replace").decode()
