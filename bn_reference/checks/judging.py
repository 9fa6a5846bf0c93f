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

from bn_reference.checks.report import PartResult, Report
from bn_reference.checks.spec import Case, Mistake, Part, Spec
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
            values = _name_outputs(spec, function(*inputs.values()))
        except NotImplementedError:
            error, unfinished = f"{spec.name} is not written yet", True
        except Exception as problem:
            error = _describe(problem)
    changed = tuple(name for name, value in inputs.items() if not _same(value, case.inputs[name]))
    noise = "\n".join([*(f"{w.category.__name__}: {w.message}" for w in caught), stderr.getvalue()]).strip()
    return Outcome(values, error, unfinished, changed, noise)


def judge(spec: Spec, cases: list[Case], outcomes: list[Outcome]) -> Report:
    """Compare what came back with the spec, part by part, and look for named mistakes."""
    trials = [_Trial(spec, case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
    results = [_judge_part(spec, part, trials) for part in spec.parts if part.nodes]
    if any(not part.nodes for part in spec.parts):
        results.append(_judge_unchanged(trials, earned=any(result.passed for result in results)))

    failed = {name for trial in trials for name in trial.problems}
    diagnoses = _diagnose(spec, trials, failed)
    unfinished = any(outcome.unfinished for outcome in outcomes)
    noise = "" if all(r.passed for r in results) else next((o.noise for o in outcomes if o.noise), "")
    return Report(spec.name, spec.chapter, tuple(results), diagnoses, unfinished, noise)


class _Trial:
    """A case, its outcome, and what is wrong with each node: the learner's values compared."""

    def __init__(self, spec: Spec, case: Case, outcome: Outcome):
        self.case, self.outcome = case, outcome
        self.reference = spec.expected(case)
        self.tolerance = tolerances(spec, case, self.reference)
        self.problems: dict[str, str] = {}
        self._known = {
            name: outcome.values.get(name) if _usable(outcome.values.get(name), value) else value
            for name, value in self.reference.items()
        }
        for name, node in spec.nodes.items():
            if name in outcome.values:
                problem = self._compare(name, self.follow(node.formula))
                if problem:
                    self.problems[name] = problem

    def follow(self, formula):
        """`formula` on the inputs and the learner's own nodes (the reference's, if unusable)."""
        with np.errstate(all="ignore"):
            return formula(self.case.inputs, self._known)

    def matches(self, name: str, formula) -> bool:
        """Does `formula` give just what the learner returned?"""
        if name not in self.outcome.values:
            return False
        got = self.outcome.values[name]
        try:
            with np.errstate(all="ignore"):
                wrong = np.asarray(formula(self.case.inputs, self.outcome.values))
        except (ValueError, IndexError):  # shapes that do not fit: another mistake
            return False
        return got.shape == wrong.shape and bool(
            np.allclose(got, wrong, rtol=0, atol=self._slack(name, wrong), equal_nan=True)
        )

    def _slack(self, name, value):
        """The tolerance, for a value of another size than the reference's."""
        size, usual = (np.max(np.abs(v), initial=0.0) for v in (value, self.reference[name]))
        if not np.isfinite(size) or usual == 0:
            return self.tolerance[name]
        return self.tolerance[name] * max(1.0, float(size / usual))

    def _compare(self, name, expected) -> str:
        got = self.outcome.values[name]
        if got.shape != expected.shape:
            kept = expected.ndim == 1 and got.shape == (1, *expected.shape)
            return f"{name} has shape {got.shape}, expected {expected.shape}" + (
                " (drop keepdims=True, or take [0])" if kept else ""
            )
        if not np.all(np.isfinite(got)):
            return f"{name} holds NaN or infinite values, expected finite numbers"
        off = np.abs(got - expected)
        if np.max(off) <= self._slack(name, expected):
            return ""
        at = np.unravel_index(np.argmax(off), off.shape)
        where = "".join(f"[{i}]" for i in at)
        return f"{name}{where} is {_number(got[at], expected[at])}, expected {_number(expected[at], got[at])}"


def _judge_part(spec: Spec, part: Part, trials: list[_Trial]) -> PartResult:
    for trial in sorted(trials, key=_smallest_first):
        if trial.case.kind not in part.kinds:
            continue
        problem = trial.outcome.error or next(
            (trial.problems[name] for name in part.nodes if name in trial.problems), ""
        )
        if problem:
            example = "" if trial.outcome.unfinished else trial.case.name
            return PartResult(part.title, part.weight, False, problem, example, part.hint)
    return PartResult(part.title, part.weight, True)


def _judge_unchanged(trials, earned) -> PartResult:
    part = next(iter(p for p in trials[0:0]), None) or _unchanged_part()
    for trial in trials:
        if trial.outcome.changed:
            name = trial.outcome.changed[0]
            return PartResult(part.title, part.weight, False, f"{name} was changed", trial.case.name, part.hint)
    if not earned:  # leaving inputs alone is no merit of a function that gets nothing right
        return PartResult(part.title, part.weight, False, "no other part passes yet")
    return PartResult(part.title, part.weight, True)
