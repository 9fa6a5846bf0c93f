"""What went wrong where no named mistake fits: a search through small slips that any formula allows.

An argument may be left out, negated, squared, hard-coded, or exchanged with another; a result may
have the wrong sign or a factor too many, or stand in another's place. Each slip is tried on every
case of the check, alone and in pairs. If it gives just what the learner returned, everywhere, then
it is what they wrote, or something equal to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
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

    def may_equal(self, name: str, values: np.ndarray) -> np.ndarray:
        """For each of many `values`, a stack of them: False where `equals` would say no."""


@dataclass(frozen=True)
class Guess:
    """What the learner may have written, in a sentence, and what it gives."""

    says: str
    wrong: Callable[[Trial], np.ndarray]


Kind = Callable[[Spec, str, Sequence[Trial]], Iterator[Guess]]


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
    # What does not fit shows soonest where the node is wrong, and least where it is no number.
    telling = sorted(
        trials,
        key=lambda trial: (
            trial.equals(name, trial.reference[name]),
            not np.isfinite(trial.values[name]).all(),
        ),
    )
    for kind in (_single_slips, _misplaced, _slips_beside_mistakes, _pairs_of_slips):
        for guessed in _likely(kind, spec, name, trials, telling[0]):
            if all(_gives(trial, name, guessed.wrong) for trial in telling):
                return guessed.says
    if _lacks_digits(trials, name):
        return f"Your {name} is right to a few digits only. Is it rounded, or computed in a smaller dtype?"
    return ""


def _likely(kind: Kind, spec: Spec, name: str, trials: Sequence[Trial], telling: Trial) -> Iterator[Guess]:
    """The guesses of a kind that are not out of the question in the case that tells most."""
    table = _table(kind, spec, name, tuple(trial.case for trial in trials), telling.case)
    if table is None:
        return kind(spec, name, trials)
    return table.likely(name, telling)


@dataclass(frozen=True)
class _Table:
    """Guesses, and what each gives in one case, stacked by shape: thousands are compared at once.

    Those in `open` depend on what a learner has returned.
    """

    guesses: list[Guess]
    by_shape: Mapping[tuple[int, ...], tuple[np.ndarray, np.ndarray]]
    open: list[int]

    def likely(self, name: str, trial: Trial) -> Iterator[Guess]:
        numbers, values = self.by_shape.get(np.squeeze(trial.values[name]).shape, (None, None))
        near = [] if numbers is None else numbers[trial.may_equal(name, values)]
        return (self.guesses[number] for number in sorted([*near, *self.open]))


@lru_cache(maxsize=32)
def _table(kind: Kind, spec: Spec, name: str, cases: tuple[Case, ...], telling: Case) -> _Table | None:
    """The table of a kind, the same for all learners; None if even its guesses depend on their values."""
    trials = [_Unanswered(spec, case) for case in cases]
    tells = trials[cases.index(telling)]
    by_shape: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
    unknown = []
    try:
        guesses = list(kind(spec, name, trials))
    except _NotAnswered:
        return None
    for number, guessed in enumerate(guesses):
        try:
            value = _value(tells, guessed.wrong)
        except _NotAnswered:
            unknown.append(number)
            continue
        if value is not None:
            by_shape.setdefault(np.squeeze(value).shape, []).append((number, np.squeeze(value)))
    stacked = {
        shape: (np.array([number for number, _ in found]), np.stack([value for _, value in found]))
        for shape, found in by_shape.items()
    }
    return _Table(guesses, stacked, unknown)


class _NotAnswered(Exception):
    """A formula asks for what the learner returned before."""


class _NoValues(Mapping):
    def __getitem__(self, *name):
        raise _NotAnswered

    __iter__ = __len__ = __contains__ = __getitem__  # whichever way a formula asks


class _Unanswered:
    """A trial before there is an answer."""

    def __init__(self, spec: Spec, case: Case):
        self._spec, self.case, self.values = spec, case, _NoValues()

    @cached_property
    def reference(self) -> dict[str, np.ndarray]:
        return self._spec.expected(self.case)


def _after(formula: Formula, *slips: Slip) -> Callable[[Trial], np.ndarray]:
    """What `formula` gives once these slips have happened to its arguments."""

    def wrong(trial: Trial) -> np.ndarray:
        inputs = trial.case.inputs
        for slip in slips:
            inputs = slip.change(inputs)
        return formula(inputs, trial.values)

    return wrong


def _single_slips(spec: Spec, name: str, trials: Sequence[Trial]) -> Iterator[Guess]:
    for slip in _slips(trials[0].case.inputs):
        says = f"Your {name} is what comes out with {slip.words}."
        yield Guess(says, _after(spec.nodes[name].formula, slip))


def _slips_beside_mistakes(spec: Spec, name: str, trials: Sequence[Trial]) -> Iterator[Guess]:
    for mistake in spec.mistakes:
        for slip in _slips(trials[0].case.inputs) if name in mistake.formulas else ():
            says = f"Two things. {mistake.says} And your {name} is what comes out with {slip.words}."
            yield Guess(says, _after(mistake.formulas[name], slip))


def _pairs_of_slips(spec: Spec, name: str, trials: Sequence[Trial]) -> Iterator[Guess]:
    """Two slips that each make a difference somewhere."""
    formula = spec.nodes[name].formula
    felt = [
        slip
        for slip in _slips(trials[0].case.inputs)
        if any(_differ(trial, _after(formula, slip), _after(formula)) for trial in trials)
    ]
    for one, other in combinations(felt, 2):
        if not one.arguments & other.arguments:
            says = f"Your {name} is what comes out with {one.words}, and with {other.words}."
            yield Guess(says, _after(formula, one, other))


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


def _misplaced(spec: Spec, name: str, trials: Sequence[Trial]) -> Iterator[Guess]:
    """The right result with something done to it, or the right one of another node."""
    right = _after(spec.nodes[name].formula)
    for other in spec.outputs:
        if other != name:
            order = ", ".join(spec.outputs)
            yield Guess(
                f"Your {name} is what {other} should be; return them in this order: {order}.",
                lambda trial, other=other: trial.reference[other],
            )
    for words, change in FOR_RESULTS.items():
        says = f"Your {name} is {words} what it should be."
        yield Guess(says, lambda trial, change=change: change(right(trial)))
    for axis, counted in enumerate(("rows", "columns")):
        for words, power in (("multiplied", 1), ("divided", -1)):
            yield Guess(
                f"Your {name} is what it should be, {words} by the number of {counted}.",
                lambda trial, axis=axis, power=power: right(trial) * float(_count(trial, axis)) ** power,
            )
    for argument in trials[0].case.inputs:
        for words, combine in (
            ("plus", np.add),
            ("minus", np.subtract),
            ("times", np.multiply),
            ("divided by", np.divide),
        ):
            yield Guess(
                f"Your {name} is what it should be, {words} {argument}.",
                lambda trial, argument=argument, combine=combine: combine(
                    right(trial), np.asarray(trial.case.inputs[argument], dtype=float)
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
