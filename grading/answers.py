"""What a learner wrote, as the tests see it: names in the place of functions that stay in the sandbox.

A test calls them as if they were there. What comes back is numbers, text, arrays and containers of
these, made on this side from bytes. Anything else stays there too, and only its name comes.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from grading.inside import wire
from grading.sandbox import GRACE, Run


class AnswerFailed(Exception):
    """The learner's code raised an error, or could not be asked any more."""


class Branch:
    """A child of the notebook's process, in which functions are called; or that process itself.

    Parameters
    ----------
    run : Run
        The notebook.
    seconds : float
        How long one call may take.
    in_child : bool
        In the notebook's own process a call that ends it, or takes too long, ends the notebook.

    Attributes
    ----------
    state : int
        Which of the states that were kept the functions see.
    """

    def __init__(self, run: Run, seconds: float, in_child: bool):
        self._run, self._seconds, self._in_child = run, seconds, in_child
        self._callbacks: list[Callable] = []
        self._number = self.state = 0
        self.ended = ""
        if not in_child:
            run.say(do="call_here")
            return
        try:
            self._pid = run.ask(seconds, do="call_in_child").get("pid")
        except wire.TimedOut:
            raise run.lose("did not answer") from None

    def ask(self, do: str, **arguments) -> object:
        """Do one thing there, and return what it gives.

        Raises
        ------
        AnswerFailed
            If it raises an error, takes too long, or ends the process.
        Lost
            If the whole notebook ends.
        """
        __tracebackhide__ = True
        self._say(do, arguments)
        return self._localized(self._hear(self._seconds).get("value"))

    def ask_for_each(
        self, limits: list[float | None], do: str, **arguments
    ) -> Iterator[tuple[object, float]]:
        """Do one thing that gives several outcomes: each, with the seconds that it took.

        Parameters
        ----------
        limits : list of float or None
            How long each may take; None is what any call may.
        do, **arguments
            As for `ask`.
        """
        self._say(do, arguments)
        for limit in limits:
            start = time.perf_counter()
            outcome = self._hear(self._seconds if limit is None else limit).get("outcome")
            yield outcome, time.perf_counter() - start
        self._hear(self._seconds)

    def _say(self, do, arguments):
        if self.ended:
            raise AnswerFailed(self.ended)
        self._number += 1
        self._run.say(self._refer, do=do, number=self._number, state=self.state, **{"with": arguments})

    def _hear(self, seconds):
        """The next answer, after the functions of the test that it asks for have been called.

        What answers no question, or an earlier one, was not said by our half of the conversation.
        """
        until = time.monotonic() + seconds
        try:
            while True:
                answer = self._run.hear(until - time.monotonic())
                if "ended" not in answer and answer.get("number") != self._number:
                    continue
                if "callback" not in answer:
                    break
                self._run.say(self._refer, **self._call_back(answer))
        except wire.TimedOut:
            if not self._in_child:
                raise self._run.lose("did not answer") from None
            self._kill()
            self.ended = f"took more than {seconds:g} s and was stopped"
            raise AnswerFailed(self.ended) from None
        if "ended" in answer:
            self.ended = f"the process {_text(answer, 'ended')}"
            raise AnswerFailed(self.ended)
        if "error" in answer:
            raise AnswerFailed(f"{_text(answer, 'error')}: {_text(answer, 'says')}"[:1000])
        return answer

    def _kill(self):
        """Stop the child alone; where that fails, the notebook is lost."""
        if not isinstance(self._pid, int) or not 1 < self._pid < 1 << 22:
            raise self._run.lose("named a process that cannot be")
        self._run.kill(self._pid)
        self._wait_for_its_end()

    def _wait_for_its_end(self):
        until = time.monotonic() + GRACE
        try:
            while "ended" not in self._run.hear(until - time.monotonic()):
                pass
        except wire.TimedOut:
            raise self._run.lose("could not be stopped") from None

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
        from bn_reference.checks import calling

        outcomes = []
        asked = {
            "calling": calling.__name__,
            "function": self._number,
            "name": spec.name,
            "returned": list(spec.returned or spec.outputs),
            "call": f"{spec.call.__module__}:{spec.call.__qualname__}",
            "cases": [calling.shown(spec, case) for case in cases],
        }
        try:
            answers = self._branch.ask_for_each([_limit(case) for case in cases], "try_cases", **asked)
            for case, (told, seconds) in zip(cases, answers, strict=True):
                outcomes.append(_outcome(calling.Outcome, spec, case, told, seconds))
        except AnswerFailed as problem:
            failed = calling.Outcome({}, error=str(problem), gist=str(problem))
            outcomes += [failed] * (len(cases) - len(outcomes))
        return outcomes


def _limit(case):
    return None if case.seconds is None else case.seconds + GRACE


def _outcome(kind, spec, case, told, seconds):
    """An outcome from what the sandbox says of it, of which nothing is taken on trust."""
    values = told.get("values") if isinstance(told, dict) else None
    if not isinstance(values, dict) or (values and list(values) != list(spec.returned or spec.outputs)):
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
