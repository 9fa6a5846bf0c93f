"""What went wrong where no named mistake fits: a search through small slips that any formula allows.

An argument may be left out, negated, squared, hard-coded, or exchanged with another; a result may
have the wrong sign or a factor too many, or stand in another's place. Each slip is tried on every
case of the check, alone and in pairs. If it gives just what the learner returned, everywhere, then
it is what they wrote, or something equal to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np

from bn_reference.checks.spec import Case, Formula, Spec, Values


@dataclass(frozen=True)
class Slip:
    """What is done to some of the arguments, in words, and the doing."""

    words: str
    arguments: frozenset[str]
    change: Callable[[Values], Values]


FOR_ARRAYS = {
    "-{}": np.negative,
    "abs({})": np.abs,
    "{}**2": np.square,
    "1 / {}": np.reciprocal,
    "sqrt({})": np.sqrt,
}
FOR_VECTORS = {
    "0": np.zeros_like,
    "1": np.ones_like,
    "only the first value of {}": lambda a: np.full_like(a, a[0]),
}
FOR_NUMBERS = {
    "0": lambda n: 0,
    "1": lambda n: 1,
    "1 - {}": lambda n: 1 - n,
    "{} - 1": lambda n: n - 1,
    "{} + 1": lambda n: n + 1,
    "{}**2": lambda n: n**2,
    "sqrt({})": np.sqrt,
    **{f"{usual:g}": lambda n, usual=usual: usual for usual in (1e-5, 1e-3, 1e-8, 0.1, 0.5, 0.9, 0.99)},
}
FOR_FLAGS = {"not {}": lambda flag: not flag, "True": lambda flag: True, "False": lambda flag: False}
FOR_RESULTS = {
    "-1 times": np.negative,
    "2 times": lambda r: 2 * r,
    "half of": lambda r: r / 2,
    "the square of": np.square,
    "the square root of": np.sqrt,
    "the reciprocal of": np.reciprocal,
    "the transpose of": np.transpose,
}
DIGITS = 3
"""A result that is right to so many digits has lost the others to rounding."""


MAKES_NO_SENSE = (ValueError, TypeError, IndexError, ArithmeticError, StopIteration, RuntimeError)
"""What NumPy and torch raise where arguments do not fit together."""


class Trial(Protocol):
    """What the search needs of a case that was tried."""

    case: Case
    values: Mapping[str, np.ndarray]
    reference: Mapping[str, np.ndarray]

    def equals(self, name: str, value: np.ndarray) -> bool:
        """Did the learner return `value` as `name`, to rounding?"""


def guess(spec: Spec, name: str, trials: Sequence[Trial]) -> str:
    """Say how the learner's node `name` comes about, in a sentence; say nothing if no slip fits.

    Parameters
    ----------
    spec : Spec
    name : str
        A node that is wrong.
    trials : sequence of Trial
        All cases in which the function returned something.

    Returns
    -------
    str
    """
    if not trials:
        return ""
    # What does not fit shows soonest where the node is wrong.
    telling = sorted(trials, key=lambda trial: trial.equals(name, trial.reference[name]))

    def everywhere(wrong: Callable[[Trial], np.ndarray]) -> bool:
        return all(_gives(trial, name, wrong) for trial in telling)

    def after(*slips: Slip, formula: Formula = spec.nodes[name].formula) -> Callable[[Trial], np.ndarray]:
        def wrong(trial: Trial) -> np.ndarray:
            inputs = trial.case.inputs
            for slip in slips:
                inputs = slip.change(inputs)
            return formula(inputs, trial.values)

        return wrong

    slips = list(_slips(trials[0].case.inputs))
    for slip in slips:
        if everywhere(after(slip)):
            return f"Your {name} is what comes out with {slip.words}."
    for words, wrong in _misplaced(spec, name, after()):
        if everywhere(wrong):
            return f"Your {name} is {words}."
    for mistake in spec.mistakes:
        for slip in slips if name in mistake.formulas else ():
            if everywhere(after(slip, formula=mistake.formulas[name])):
                return f"Two things. {mistake.says} And your {name} is what comes out with {slip.words}."
    felt = [slip for slip in slips if any(_differ(trial, after(slip), after()) for trial in trials)]
    for one, other in combinations(felt, 2):
        if not one.arguments & other.arguments and everywhere(after(one, other)):
            return f"Your {name} is what comes out with {one.words}, and with {other.words}."
    if _lacks_digits(trials, name):
        return f"Your {name} is right to a few digits only. Is it rounded, or computed in a smaller dtype?"
    return ""


def _slips(inputs: Values) -> Iterator[Slip]:
    """Everything that may happen to one argument, or to two of a kind."""
    arrays = [name for name, value in inputs.items() if isinstance(value, np.ndarray) and value.size]
    flags = [name for name, value in inputs.items() if isinstance(value, bool)]
    numbers = [name for name, value in inputs.items() if isinstance(value, int | float) and name not in flags]
    vectors = [name for name in arrays if inputs[name].ndim == 1]
    kinds = (vectors, FOR_VECTORS), (arrays, FOR_ARRAYS), (flags, FOR_FLAGS), (numbers, FOR_NUMBERS)
    for names, changes in kinds:
        for name in names:
            for words, change in changes.items():
                substitute = words.format(name)
                yield Slip(f"{substitute} in place of {name}", frozenset([name]), _replacing(name, change))
    for one, other in combinations(arrays, 2):
        yield Slip(f"{one} and {other} exchanged", frozenset([one, other]), _exchanging(one, other))


def _replacing(name, change):
    return lambda inputs: {**inputs, name: change(inputs[name])}


def _exchanging(one, other):
    return lambda inputs: {**inputs, one: inputs[other], other: inputs[one]}


def _misplaced(spec, name, right) -> Iterator[tuple[str, Callable[[Trial], np.ndarray]]]:
    """The right result with something done to it, or the right one of another node."""
    for other in spec.outputs:
        if other != name:
            order = ", ".join(spec.outputs)
            yield (
                f"what {other} should be; return them in this order: {order}",
                (lambda trial, other=other: trial.reference[other]),
            )
    for words, change in FOR_RESULTS.items():
        yield f"{words} what it should be", lambda trial, change=change: change(right(trial))
    for axis, counted in enumerate(("rows", "columns")):
        for words, power in (("multiplied", 1), ("divided", -1)):
            yield (
                f"what it should be, {words} by the number of {counted}",
                (lambda trial, axis=axis, power=power: right(trial) * float(_count(trial, axis)) ** power),
            )
    for argument in spec.cases(np.random.default_rng(0))[0].inputs:
        for words, combine in (
            ("plus", np.add),
            ("minus", np.subtract),
            ("times", np.multiply),
            ("divided by", np.divide),
        ):
            yield (
                f"what it should be, {words} {argument}",
                (
                    lambda trial, argument=argument, combine=combine: combine(
                        right(trial), np.asarray(trial.case.inputs[argument], dtype=float)
                    )
                ),
            )


def _count(trial, axis):
    """The length of the first argument that is a matrix or more."""
    return next(np.shape(value)[axis] for value in trial.case.inputs.values() if np.ndim(value) >= 2)


def _gives(trial, name, wrong) -> bool:
    value = _value(trial, wrong)
    return value is not None and trial.equals(name, value)


def _value(trial, wrong) -> np.ndarray | None:
    """What `wrong` gives; None where it makes no sense with these arguments."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(wrong(trial), dtype=np.float64)
    except MAKES_NO_SENSE:
        return None


def _differ(trial, wrong, right) -> bool:
    value, other = _value(trial, wrong), _value(trial, right)
    return value is not None and (other is None or not np.array_equal(value, other, equal_nan=True))


def _lacks_digits(trials, name) -> bool:
    """Is the node nearly right everywhere, but quite right almost nowhere?"""

    def nearly(trial):
        got, right = trial.values[name], trial.reference[name]
        return got.shape == right.shape and bool(
            np.max(np.abs(got - right), initial=0) <= 10.0**-DIGITS * np.max(np.abs(right), initial=0)
        )

    wrong = sum(not trial.equals(name, trial.reference[name]) for trial in trials)
    return 2 * wrong > len(trials) and all(map(nearly, trials))
