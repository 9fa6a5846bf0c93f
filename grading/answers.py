"""What a learner wrote, as the tests see it: names in the place of functions that stay in the sandbox.

A test calls them as if they were there. What comes back is numbers, text, arrays and containers of
these, made on this side from bytes. Anything else stays there too, and only its name comes.
"""

import time
from collections.abc import Callable

import numpy as np

from grading.inside import wire
from grading.sandbox import GRACE, Lost, Run


class AnswerFailed(Exception):
    """The learner's code raised an error, or could not be asked any more."""


class Branch:
    """A child of the notebook's process, in which functions are called.

    Parameters
    ----------
    run : Run
        The notebook.
    seconds : float
        How long one call may take.
    """

    def __init__(self, run: Run, seconds: float):
        self._run, self._seconds = run, seconds
        self._callbacks: list[Callable] = []
        self._pid = run.ask(GRACE, do="open").get("pid")
        self.ended = ""

    def close(self) -> None:
        """End the child."""
        if self.ended:
            return
        answer = self._run.ask(GRACE, do="close")
        self.ended = str(answer.get("ended", "closed"))

    def ask(self, do: str, seconds: float | None = None, **arguments) -> object:
        """Do one thing there.

        Raises
        ------
        AnswerFailed
            If it raises an error, takes too long, or ends the process.
        Lost
            If the whole notebook ends.
        """
        if self.ended:
            raise AnswerFailed(self.ended)
        seconds = self._seconds if seconds is None else seconds
        until = time.monotonic() + seconds
        try:
            answer = self._run.ask(seconds, self._refer, do=do, **{"with": arguments})
            while "callback" in answer:
                answer = self._run.ask(until - time.monotonic(), self._refer, **self._call_back(answer))
        except wire.TimedOut:
            self._kill()
            self.ended = f"took more than {seconds:g} s and was stopped"
            raise AnswerFailed(self.ended) from None
        if "ended" in answer:
            self.ended = f"the process {answer['ended']}"
            raise AnswerFailed(self.ended)
        if "error" in answer:
            raise AnswerFailed(f"{answer['error']}: {answer.get('says', '')}"[:1000])
        return self._localized(answer.get("value"))

    def _kill(self):
        """Stop the child alone; where that fails, the notebook is lost."""
        if not isinstance(self._pid, int) or not 1 < self._pid < 1 << 22:
            raise Lost("named a process that cannot be")
        self._run.kill(self._pid)
        try:
            while "ended" not in self._run.hear(GRACE):
                pass
        except wire.TimedOut:
            raise Lost("could not be stopped") from None

    def _call_back(self, asked):
        """Call a function of the test that the learner's code was given."""
        try:
            number, args = asked["callback"], asked["args"]
            return {"value": self._callbacks[-number - 1](*args)}
        except Exception as problem:
            return {"error": f"{type(problem).__name__}: {problem}"[:500]}

    def _refer(self, value):
        if isinstance(value, Answer):
            return value._number
        if not callable(value):
            raise TypeError(f"a value of type {type(value).__name__} cannot go into the sandbox")
        self._callbacks.append(value)
        return -len(self._callbacks)

    def _localized(self, value):
        """`value` with a name in the place of everything that stays in the sandbox."""
        if isinstance(value, wire.Reference):
            return Answer(self, value.number)
        if isinstance(value, list | tuple):
            return type(value)(map(self._localized, value))
        if isinstance(value, dict):
            return {key: self._localized(each) for key, each in value.items()}
        return value


class Answer:
    """Something in the sandbox: a function, a class, an object.

    Parameters
    ----------
    branch : Branch
    number : int
        Its name there.
    """

    def __init__(self, branch: Branch, number: int):
        self._branch, self._number = branch, number

    def __call__(self, *args, **kwargs):
        return self._branch.ask("call", function=self._number, args=list(args), kwargs=kwargs)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._branch.ask("attribute", of=self._number, name=name)

    def try_cases(self, spec, cases) -> list:
        """What `bn_reference.checks` asks of an answer that is elsewhere: an outcome for each case."""
        return [self._try_case(spec, case) for case in cases]

    def _try_case(self, spec, case):
        from bn_reference.checks import calling

        start = time.perf_counter()
        try:
            told = self._branch.ask(
                "try_case",
                None if case.seconds is None else case.seconds + GRACE,
                calling=calling.__name__,
                function=self._number,
                name=spec.name,
                outputs=list(spec.outputs),
                call=f"{spec.call.__module__}:{spec.call.__qualname__}",
                inputs=dict(case.inputs),
            )
            return _outcome(calling.Outcome, spec, case, told, time.perf_counter() - start)
        except AnswerFailed as problem:
            return calling.Outcome({}, error=str(problem), gist=str(problem))


def _outcome(kind, spec, case, told, seconds):
    """An outcome from what the sandbox says of it, of which nothing is taken on trust."""
    values = told.get("values") if isinstance(told, dict) else None
    if not isinstance(values, dict) or (values and list(values) != list(spec.outputs)):
        raise AnswerFailed("sent something that is no answer")
    if not all(isinstance(value, np.ndarray) and value.dtype == np.float64 for value in values.values()):
        raise AnswerFailed("sent something that is no answer")
    changed = told.get("changed")
    return kind(
        values,
        error=_text(told, "error"),
        unfinished=told.get("unfinished") is True,
        changed=tuple(name for name in case.inputs if isinstance(changed, tuple) and name in changed),
        noise=_text(told, "noise"),
        seconds=seconds,
        gist=_text(told, "gist"),
        printed=_text(told, "printed"),
    )


def _text(told, name):
    text = told.get(name)
    return text[:2000] if isinstance(text, str) else ""
