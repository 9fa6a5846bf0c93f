"""Judge what a learner's function gave on the cases of a spec.

The function itself is never seen here: `calling` has called it, and hands over plain arrays.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import zip_longest

import numpy as np

from bn_reference.checks.calling import Outcome, run
from bn_reference.checks.evidence import Evidence, Ladder, as_text
from bn_reference.checks.guesses import MAKES_NO_SENSE, guess
from bn_reference.checks.report import PartResult, Report
from bn_reference.checks.spec import INTERFACE, Case, Mistake, Part, Spec
from bn_reference.checks.tolerance import least_tolerances, tolerances


@dataclass(frozen=True)
class Key:
    """What is right for a case, and how close is close enough: worked out once, and only if it is asked for.

    Parameters
    ----------
    spec : Spec
    case : Case
    precision : type
        Of the arithmetic that may have been used.
    """

    spec: Spec
    case: Case
    precision: type

    @cached_property
    def reference(self) -> dict[str, np.ndarray]:
        """The right values in float64, by output."""
        return self.spec.expected(self.case)

    @cached_property
    def usual(self) -> dict[str, float]:
        """The largest absolute value of each."""
        return {name: float(np.abs(value).max(initial=0.0)) for name, value in self.reference.items()}

    @cached_property
    def _least(self) -> dict[str, float]:
        return least_tolerances(self.spec, self.case, self.reference, self.precision)

    @cached_property
    def tolerance(self) -> dict[str, float]:
        """How far off each may be."""
        return tolerances(self.spec, self.case, self.reference, self.precision)

    def allows(self, off: float, name: str, value: np.ndarray) -> bool:
        """May an output `name` be `off` from `value`, which may be of another size than the reference's?"""
        if off <= self._least[name]:
            return True
        size, usual = float(np.abs(value).max(initial=0.0)), self.usual[name]
        larger = max(1.0, size / usual) if usual and math.isfinite(size) else 1.0
        return off <= larger * self._least[name] or off <= larger * self.tolerance[name]

    def most(self, name: str, sizes: np.ndarray) -> np.ndarray:
        """The most that `allows` allows for values of these `sizes`, finite ones."""
        usual = self.usual[name]
        larger = np.maximum(1.0, sizes / usual) if usual else np.ones_like(sizes)
        return larger * max(self._least[name], self.tolerance[name])


@lru_cache(maxsize=1024)
def key(spec: Spec, case: Case, precision: type = np.float64) -> Key:
    """The key for `case`, the same one however many answers are tried on it."""
    return Key(spec, case, precision)


@lru_cache(maxsize=4096)
def imitated(spec: Spec, mistake: Mistake, case: Case) -> dict[str, np.ndarray]:
    """What the code of a mistake gives for `case`; worked out once, as `key` is."""
    return run(spec, mistake.code, case).values


def judge(spec: Spec, cases: Sequence[Case], outcomes: list[Outcome], search: bool = True) -> Report:
    """Compare what came back with the spec, part by part, and look for named mistakes.

    Where none fits, `search` says whether to look for small slips: that takes far longer than the rest.
    """
    with warnings.catch_warnings():  # a formula tried in vain may warn; learners should not see it
        warnings.simplefilter("ignore")
        return _judge(spec, cases, outcomes, search)


def _judge(spec, cases, outcomes, search) -> Report:
    trials = [_Trial(spec, case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
    errors = {(outcome.error, outcome.gist) for outcome in outcomes}
    stopped_by, stopped_gist = errors.pop() if len(errors) == 1 else ("", "")
    mistakes = _diagnose(spec, trials)
    results = [_judge_part(spec, part, trials, mistakes) for part in spec.parts]
    results = _let_wait((*spec.parts, INTERFACE), [*results, _judge_interface(trials)])
    slow = next((trial.slow for trial in trials if trial.slow), "")
    guesses = _guesses(spec, trials, mistakes) if search and spec.searchable else []
    diagnoses = [*(mistake.says for mistake in mistakes), *guesses, slow]
    troubled = _troubled(spec.parts, results)
    hints = [] if any(diagnoses) else [part.hint for part in troubled]
    advice = (sentence for sentence in [*diagnoses, *hints, results[-1].hint] if sentence)
    return Report(
        spec.name,
        spec.chapter,
        tuple(results),
        mistakes=(*(mistake.name for mistake in mistakes), *([TOO_SLOW] if slow else [])),
        advice=tuple(dict.fromkeys(advice)),
        unfinished=any(outcome.unfinished for outcome in outcomes),
        stopped_by=stopped_by,
        stopped_gist=stopped_gist,
        noise=next((outcome.noise for outcome in outcomes if outcome.noise), ""),
        printed=next((outcome.printed for outcome in outcomes if outcome.printed), ""),
        ladders=() if any(diagnoses) else tuple(Ladder.of(part) for part in troubled),
        evidence=None if any(diagnoses) else _evidence(spec, trials),
    )


MOST_TIMES = 16
"""As many times the size of the inputs may come of combining misshapen values, to see what went wrong."""

TOO_SLOW = "slower_than_the_limit"
"""The name of the mistake of taking longer than a case allows."""


class _Trial:
    """A case, its outcome, and what is wrong with each node: the learner's values compared."""

    def __init__(self, spec: Spec, case: Case, outcome: Outcome):
        self.spec, self.case, self.outcome = spec, case, outcome
        self._key = key(spec, case)
        self.reference = self._key.reference
        self.size = max(np.size(value) for value in case.inputs.values())
        self.values = {name: self._in_shape(name, value) for name, value in outcome.values.items()}
        limit = case.seconds
        self.slow = (
            f"took {outcome.seconds:.2g} s, the limit is {limit:.2g} s; use array operations rather than "
            "loops over examples"
            if outcome.values and limit is not None and outcome.seconds > limit
            else ""
        )
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
        self.expected = dict(self.reference)
        self.problems: dict[str, str] = {}
        for name in self.values:
            # Who is wrong before may still be right here, having gone another way.
            if not self._compare(name, self.reference[name]):
                continue
            with np.errstate(all="ignore"):
                expected = np.asarray(spec.nodes[name].formula(case.inputs, known))
                problem = self._compare(name, expected)
            if problem:
                self.problems[name], self.expected[name] = problem, expected

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
        if self.is_vast:
            return False
        if mistake.code is not None:
            values = imitated(self.spec, mistake, self.case)
            return bool(values) and all(
                self.equals(name, value, mistake.precision) for name, value in values.items()
            )
        try:
            with np.errstate(all="ignore"):
                return all(
                    self.equals(name, formula(self.case.inputs, self.values), mistake.precision)
                    for name, formula in mistake.formulas.items()
                )
        except MAKES_NO_SENSE:  # shapes that do not fit: another mistake
            return False

    @property
    def is_vast(self) -> bool:
        """Would the values, combined with each other and the inputs, be more than can be computed with?"""
        if all(value.shape == self.reference[name].shape for name, value in self.values.items()):
            return False
        arrays = (value for value in (*self.case.inputs.values(), *self.values.values()) if np.ndim(value))
        shapes = [np.shape(value)[::-1] for value in arrays if isinstance(value, np.ndarray)]
        combined = math.prod(map(max, zip_longest(*shapes, fillvalue=1)))
        return combined > MOST_TIMES * max(self.size, 1 << 16)

    def equals(self, name: str, wrong, precision: type = np.float64) -> bool:
        """Did the learner return `wrong` as `name`, to rounding in this precision?"""
        within = key(self.spec, self.case, precision)
        got, wrong = np.squeeze(self.values[name]), np.squeeze(wrong)
        if got.shape != wrong.shape:
            return False
        off = float(np.abs(got - wrong).max(initial=0.0))
        if math.isfinite(off):  # thousands of guesses are tried, and allclose takes five times as long
            return within.allows(off, name, wrong)
        return np.allclose(got, wrong, rtol=0, atol=within.tolerance[name], equal_nan=True)

    def may_equal(self, name: str, values: np.ndarray) -> np.ndarray:
        """For each of many `values`, a stack of them: False where `equals` would say no."""
        got = np.squeeze(self.values[name])
        with np.errstate(all="ignore"):
            off = np.abs(values - got)
        off, size = (each.reshape(len(each), -1).max(axis=1, initial=0.0) for each in (off, np.abs(values)))
        near = off <= self._key.most(name, size)
        return near if np.isfinite(got).all() else near | ~np.isfinite(off)

    def _compare(self, name, expected) -> str:
        got = self.values[name]
        if got.shape != expected.shape:
            return f"{name} has shape {got.shape}, expected {expected.shape}"
        if not np.isfinite(got).all():
            return f"{name} holds NaN or infinite values, expected finite numbers"
        off = np.abs(got - expected)
        if self._key.allows(float(off.max(initial=0.0)), name, expected):
            return ""
        at = np.unravel_index(np.argmax(off), off.shape)
        where = "".join(f"[{i}]" for i in at)
        return f"{name}{where} is {_number(got[at], expected[at])}, expected {_number(expected[at], got[at])}"


def _judge_part(spec: Spec, part: Part, trials: list[_Trial], mistakes: list[Mistake]) -> PartResult:
    looked_at = sorted((t for t in trials if t.case.kind in part.kinds), key=lambda trial: trial.size)
    for trial in looked_at:
        wrong = [name for name in part.nodes if name in trial.problems]
        problem = trial.outcome.error or (trial.problems[wrong[0]] if wrong else trial.slow)
        if problem:
            gist = trial.outcome.gist or (f"{wrong[0]} is not what it should be" if wrong else trial.slow)
            where = "" if trial.outcome.unfinished else trial.case.name
            credit = _kept(spec, part, looked_at, mistakes)
            return PartResult(part.title, part.weight, credit, problem, where, part.hint, gist)
    return PartResult(part.title, part.weight)


def _kept(spec: Spec, part: Part, trials: list[_Trial], mistakes: list[Mistake]) -> float:
    """The credit that a failed part keeps: some, if named mistakes explain all of its failure."""
    failed = {name for trial in trials for name in part.nodes if name in trial.problems}
    behind = [mistake for mistake in mistakes if failed & spec.touched(mistake)]
    explained = {name for mistake in behind for name in spec.touched(mistake)}
    if any(trial.outcome.error or trial.slow for trial in trials) or not failed <= explained:
        return 0.0
    return min(mistake.keeps for mistake in behind)


def _let_wait(parts: tuple[Part, ...], results: list[PartResult]) -> list[PartResult]:
    """`results`, where parts that are no merit by themselves pass only beside one that is."""
    if any(result.credit > 0 for part, result in zip(parts, results, strict=True) if not part.waits):
        return results
    says = "counts once another part passes"
    waiting = {"credit": 0.0, "problem": says, "gist": says}
    return [replace(result, **waiting) if result.passed else result for result in results]


def _judge_interface(trials: list[_Trial]) -> PartResult:
    for trial in trials:
        problem, gist, hint = "", "", ""
        if trial.outcome.changed:
            problem = gist = " and ".join(trial.outcome.changed) + " changed during the call"
            hint = (
                "An operation such as x -= mean writes into the caller's array. Write x = x - mean instead."
            )
        elif trial.misshapen:
            problem, gist = trial.misshapen[0], "an output has an axis of length 1 too many or too few"
            hint = "keepdims=True leaves an axis of length 1, and so does reshape(-1, 1)."
        if problem:
            return PartResult(INTERFACE.title, INTERFACE.weight, 0.0, problem, trial.case.name, hint, gist)
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


def _guesses(spec, trials, mistakes: list[Mistake]) -> list[str]:
    """What small slips would explain, where no named mistake does."""
    answered = [trial for trial in trials if trial.outcome.values]
    if any(trial.is_vast for trial in answered):
        return []
    explained = {name for mistake in mistakes for name in spec.touched(mistake)}
    failed = {name for trial in answered for name in trial.problems}
    doubtful = [name for name in spec.nodes if name in failed - explained]
    return [guess(spec, name, answered) for name in doubtful if not _follows(spec, name, answered)]


def _follows(spec, name, trials) -> bool:
    """Is `name` right, given the learner's earlier nodes? NaN among those makes it NaN too."""
    as_it_should_be = Mistake("none", "", {name: spec.nodes[name].formula})
    return all(trial.matches(as_it_should_be) for trial in trials)


def _troubled(parts: tuple[Part, ...], results: list[PartResult]) -> list[Part]:
    """One part for each trouble: a node that fails on ordinary cases fails on awkward ones too."""
    troubled, failed = [], set()
    for part, result in zip(parts, results, strict=False):  # the interface has no part of its own
        if not result.passed and not failed.intersection(part.nodes):
            troubled.append(part)
            failed.update(part.nodes)
    return troubled


def _evidence(spec: Spec, trials: list[_Trial]) -> Evidence | None:
    """The smallest case that goes wrong, at the first node of the graph that does."""
    failing = sorted((trial for trial in trials if trial.problems), key=lambda trial: trial.size)
    if not failing:
        return None
    trial = failing[0]
    order = list(spec.nodes)
    node = next(name for name in order if name in trial.problems)
    return Evidence(
        node,
        tuple(name for name in order[: order.index(node)] if name in trial.values),
        trial.case.name,
        as_text(trial.case.inputs),
        trial.expected[node],
        trial.values[node],
    )


def _number(value: float, other: float) -> str:
    """`value`, with as many digits as it takes to tell it from `other`."""
    for digits in (4, 6, 9, 13):
        if f"{value:.{digits}g}" != f"{other:.{digits}g}":
            return f"{value:.{digits}g}"
    return f"{float(value)!r}"
