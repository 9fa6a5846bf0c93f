"""Run a learner's function on the cases of a spec, and judge what came back.

The two are apart on purpose: `run` is all that touches the learner's code, and hands over
plain arrays; `judge` never sees the function.
"""

import contextlib
import io
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bn_reference.checks.guesses import guess
from bn_reference.checks.report import PartResult, Report
from bn_reference.checks.spec import INTERFACE, Case, Mistake, Part, Spec
from bn_reference.checks.tolerance import tolerances


@dataclass(frozen=True)
class Outcome:
    """What one call gave.

    Attributes
    ----------
    values : dict of str to ndarray
        The outputs by name; empty if there was an error.
    error : str
        Why there are no values, in a sentence.
    unfinished : bool
        The function raised NotImplementedError.
    changed : tuple of str
        Inputs that were not as before when the call returned.
    noise : str
        Warnings, and what was written to standard error.
    """

    values: dict[str, np.ndarray]
    error: str = ""
    unfinished: bool = False
    changed: tuple[str, ...] = ()
    noise: str = ""


def run(spec: Spec, function: Callable, case: Case) -> Outcome:
    """Call `function` on a copy of the case's inputs."""
    inputs = {name: _copy(value) for name, value in case.inputs.items()}
    values: dict[str, np.ndarray] = {}
    error, unfinished, stderr = "", False, io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(stderr):
        warnings.simplefilter("always")
        try:
            values = _name_outputs(spec, spec.call(function, inputs))
        except NotImplementedError:
            error, unfinished = f"{spec.name} is not written yet", True
        except Exception as problem:
            error = _describe(problem)
    changed = tuple(name for name, value in inputs.items() if not _same(value, case.inputs[name]))
    noise = "\n".join([*(f"{w.category.__name__}: {w.message}" for w in caught), stderr.getvalue()]).strip()
    return Outcome(values, error, unfinished, changed, noise)


def judge(spec: Spec, cases: list[Case], outcomes: list[Outcome]) -> Report:
    """Compare what came back with the spec, part by part, and look for named mistakes."""
    with warnings.catch_warnings():  # a formula tried in vain may warn; learners should not see it
        warnings.simplefilter("ignore")
        return _judge(spec, cases, outcomes)


def _judge(spec: Spec, cases: list[Case], outcomes: list[Outcome]) -> Report:
    trials = [_Trial(spec, case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
    errors = {outcome.error for outcome in outcomes}
    mistakes = _diagnose(spec, trials)
    results = [_judge_part(spec, part, trials, mistakes) for part in spec.parts]
    results.append(_judge_interface(trials, earned=any(result.credit > 0 for result in results)))
    return Report(
        spec.name,
        spec.chapter,
        tuple(results),
        mistakes=tuple(mistake.name for mistake in mistakes),
        advice=_advise(spec, trials, mistakes, results),
        unfinished=any(outcome.unfinished for outcome in outcomes),
        stopped_by=errors.pop() if len(errors) == 1 else "",
        noise=next((outcome.noise for outcome in outcomes if outcome.noise), ""),
    )


class _Trial:
    """A case, its outcome, and what is wrong with each node: the learner's values compared."""

    def __init__(self, spec: Spec, case: Case, outcome: Outcome):
        self.spec, self.case, self.outcome = spec, case, outcome
        self.size = max(np.size(value) for value in case.inputs.values())
        self.reference = spec.expected(case)
        self.tolerance = tolerances(spec, case, self.reference)
        self.values = {name: self._in_shape(name, value) for name, value in outcome.values.items()}
        self.misshapen = [
            f"{name} has shape {value.shape}, expected {self.values[name].shape}"
            for name, value in outcome.values.items()
            if value.shape != self.values[name].shape
        ]
        # Later nodes follow from the learner's own earlier ones, where these can be used at all.
        known = {
            name: self.values[name] if self._is_usable(name) else value
            for name, value in self.reference.items()
        }
        self.problems: dict[str, str] = {}
        for name in self.values:
            with np.errstate(all="ignore"):
                problem = self._compare(name, spec.nodes[name].formula(case.inputs, known))
            # Who is wrong before may still be right here, having gone another way.
            if problem and self._compare(name, self.reference[name]):
                self.problems[name] = problem

    def _in_shape(self, name, value):
        """`value` without stray axes of length 1, which cost one part and not all."""
        stated = self.reference[name].shape
        same = np.squeeze(value).shape == np.squeeze(self.reference[name]).shape
        return value.reshape(stated) if same else value

    def _is_usable(self, name) -> bool:
        value = self.values.get(name)
        return (
            value is not None and value.shape == self.reference[name].shape and bool(np.isfinite(value).all())
        )

    def matches(self, mistake: Mistake) -> bool:
        """Does `mistake` give just what the learner returned?"""
        within = self.tolerance
        if mistake.precision is not np.float64:
            within = tolerances(self.spec, self.case, self.reference, mistake.precision)
        if mistake.code is not None:
            imitated = run(self.spec, mistake.code, self.case)
            return bool(imitated.values) and all(
                self.equals(name, value, within[name]) for name, value in imitated.values.items()
            )
        try:
            with np.errstate(all="ignore"):
                return all(
                    self.equals(name, formula(self.case.inputs, self.values), within[name])
                    for name, formula in mistake.formulas.items()
                )
        except (ValueError, IndexError):  # shapes that do not fit: another mistake
            return False

    def equals(self, name: str, wrong, within: float | None = None) -> bool:
        """Did the learner return `wrong` as `name`, to rounding?"""
        within = self.tolerance[name] if within is None else within
        got, wrong = self.values[name], np.squeeze(wrong)
        return np.squeeze(got).shape == wrong.shape and bool(
            np.allclose(np.squeeze(got), wrong, rtol=0, atol=self._slack(name, wrong, within), equal_nan=True)
        )

    def _slack(self, name, value, within):
        """The tolerance `within`, for a value of another size than the reference's."""
        size, usual = (np.max(np.abs(v), initial=0.0) for v in (value, self.reference[name]))
        if not np.isfinite(size) or usual == 0:
            return within
        return within * max(1.0, float(size / usual))

    def _compare(self, name, expected) -> str:
        got = self.values[name]
        if got.shape != expected.shape:
            return f"{name} has shape {got.shape}, expected {expected.shape}"
        if not np.all(np.isfinite(got)):
            return f"{name} holds NaN or infinite values, expected finite numbers"
        off = np.abs(got - expected)
        if np.max(off) <= self._slack(name, expected, self.tolerance[name]):
            return ""
        at = np.unravel_index(np.argmax(off), off.shape)
        where = "".join(f"[{i}]" for i in at)
        return f"{name}{where} is {_number(got[at], expected[at])}, expected {_number(expected[at], got[at])}"


def _judge_part(spec: Spec, part: Part, trials: list[_Trial], mistakes: list[Mistake]) -> PartResult:
    looked_at = sorted((t for t in trials if t.case.kind in part.kinds), key=lambda trial: trial.size)
    for trial in looked_at:
        problem = trial.outcome.error or next(
            (trial.problems[name] for name in part.nodes if name in trial.problems), ""
        )
        if problem:
            where = "" if trial.outcome.unfinished else trial.case.name
            credit = _kept(spec, part, looked_at, mistakes)
            return PartResult(part.title, part.weight, credit, problem, where, part.hint)
    return PartResult(part.title, part.weight)


def _kept(spec: Spec, part: Part, trials: list[_Trial], mistakes: list[Mistake]) -> float:
    """The credit that a failed part keeps: some, if named mistakes explain all of its failure."""
    failed = {name for trial in trials for name in part.nodes if name in trial.problems}
    behind = [mistake for mistake in mistakes if failed & spec.touched(mistake)]
    explained = {name for mistake in behind for name in spec.touched(mistake)}
    if any(trial.outcome.error for trial in trials) or not failed <= explained:
        return 0.0
    return min(mistake.keeps for mistake in behind)


def _judge_interface(trials: list[_Trial], earned: bool) -> PartResult:
    for trial in trials:
        problem, hint = "", ""
        if trial.outcome.changed:
            problem = " and ".join(trial.outcome.changed) + " changed during the call"
            hint = (
                "An operation such as x -= mean writes into the caller's array. Write x = x - mean instead."
            )
        elif trial.misshapen:
            problem = trial.misshapen[0]
            hint = "keepdims=True leaves an axis of length 1, and so does reshape(-1, 1)."
        if problem:
            return PartResult(INTERFACE.title, INTERFACE.weight, 0.0, problem, trial.case.name, hint)
    if not earned:
        # Leaving the inputs alone is no merit of a function that gets nothing right.
        return PartResult(INTERFACE.title, INTERFACE.weight, 0.0, "counts once another part passes")
    return PartResult(INTERFACE.title, INTERFACE.weight)


def _diagnose(spec: Spec, trials: list[_Trial]) -> list[Mistake]:
    failed = {name for trial in trials for name in trial.problems}
    answered = [trial for trial in trials if trial.outcome.values]
    found: list[Mistake] = []
    for mistake in spec.mistakes:
        shown = failed & spec.touched(mistake)
        if mistake.precision is not np.float64:  # rounding to fewer digits shows everywhere
            shown &= {name for trial in trials if trial.case.kind == "typical" for name in trial.problems}
        if shown and all(trial.matches(mistake) for trial in answered):
            found.append(mistake)
            failed -= spec.touched(mistake)
    return found


def _advise(spec, trials, mistakes: list[Mistake], results: list[PartResult]) -> tuple[str, ...]:
    """The sentences of the mistakes that fit; failing these, a guess; failing that, the hints."""
    *parts, interface = results
    answered = [trial for trial in trials if trial.outcome.values]
    explained = {name for mistake in mistakes for name in spec.touched(mistake)}
    failed = {name for trial in answered for name in trial.problems}
    guesses = [guess(spec, name, answered) for name in spec.nodes if name in failed - explained]
    hints = [] if mistakes or any(guesses) else _hints(spec.parts, parts)
    sentences = [*(mistake.says for mistake in mistakes), *guesses, *hints, interface.hint]
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))


def _hints(parts: tuple[Part, ...], results: list[PartResult]) -> list[str]:
    """One for each trouble: a node that fails on ordinary cases fails on awkward ones too."""
    hints, failed = [], set()
    for part, result in zip(parts, results, strict=True):
        if not result.passed and not failed.intersection(part.nodes):
            hints.append(result.hint)
            failed.update(part.nodes)
    return hints


def _name_outputs(spec, returned) -> dict[str, np.ndarray]:
    wanted = ", ".join(spec.outputs)
    if returned is None:
        raise ValueError(f"it returned None, expected {wanted}; does it end with a return?")
    if len(spec.outputs) == 1 and not isinstance(returned, tuple):
        returned = (returned,)
    if not isinstance(returned, tuple | list) or len(returned) != len(spec.outputs):
        count = len(returned) if isinstance(returned, tuple | list) else 1
        raise ValueError(f"it returned {count} value(s), expected {len(spec.outputs)}: {wanted}")
    return {name: _as_real_array(name, value) for name, value in zip(spec.outputs, returned, strict=True)}


def _as_real_array(name, value) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} is a {type(value).__name__}, expected an array of numbers")
    return array.astype(np.float64)


def _describe(problem: Exception) -> str:
    """The error in a sentence, with the learner's last line on the way to it."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "site-packages" not in frame.filename]
    line = f" at the line `{own[-1].line}`" if own and own[-1].line else ""
    return f"{type(problem).__name__}: {problem}{line}"


def _copy(value):
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


def _same(value, original) -> bool:
    return np.array_equal(value, original) if isinstance(original, np.ndarray) else True


def _number(value: float, other: float) -> str:
    """`value`, with as many digits as it takes to tell it from `other`."""
    for digits in (4, 6, 9, 13):
        if f"{value:.{digits}g}" != f"{other:.{digits}g}":
            return f"{value:.{digits}g}"
    return f"{float(value)!r}"
