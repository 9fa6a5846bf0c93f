"""How far a right answer may be from the reference: the one home of the tolerances.

An answer is right if it is the exact answer to a problem within rounding of the one posed.
So the inputs are moved by one unit in the last place, at random, and what that does to each
output is what rounding may do. Where sums cancel, the size of the summands counts too.
Nothing here depends on the formula, so that ill-conditioned inputs (a large mean, a tiny
variance) get the slack that they need and no more.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from bn_reference.checks.spec import Case, Spec, Values, in_float64

SAFETY = 64
"""Roundings that a right answer may pile up: sums over a batch, a few operations a value."""

DRAWS = 3


def least_tolerances(
    spec: Spec, case: Case, expected: dict[str, np.ndarray], precision: type = np.float64
) -> dict[str, float]:
    """What counts as right whatever the formula: soon known, and never more than `tolerances`."""
    unit, inputs = _unit(case, precision), in_float64(case.inputs)
    return {name: SAFETY * unit * _size(spec, name, inputs, expected) for name in expected}


def tolerances(
    spec: Spec, case: Case, expected: dict[str, np.ndarray], precision: type = np.float64
) -> dict[str, float]:
    """The largest absolute difference that still counts as right, for each output.

    The unit of rounding is that of the narrowest floating input, or of `precision` if that is narrower.
    """
    moved = dict.fromkeys(expected, 0.0)
    for nearby in _nearby(in_float64(case.inputs), _unit(case, precision)):
        for name, value in spec.expected(Case(case.name, case.kind, nearby)).items():
            moved[name] = max(moved[name], float(np.abs(value - expected[name]).max()))
    least = least_tolerances(spec, case, expected, precision)
    return {name: SAFETY * moved[name] + least[name] for name in expected}


def _unit(case, precision):
    floating = [v.dtype for v in case.inputs.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return max(np.finfo(dtype).eps for dtype in [*floating, precision])


def _size(spec, name, inputs, expected):
    magnitude = spec.nodes[name].magnitude
    size = float(np.abs(expected[name]).max())
    return size if magnitude is None else max(size, float(magnitude(inputs)))


def _nearby(inputs: Values, unit: float) -> Iterator[Values]:
    """The inputs with every value moved by `unit` of itself, up or down."""
    arrays = {name: value for name, value in inputs.items() if isinstance(value, np.ndarray)}
    for signs in _signs(sum(value.size for value in arrays.values())):
        nearby, begin = dict(inputs), 0
        for name, value in arrays.items():
            nearby[name] = value * (1 + unit * signs[begin : begin + value.size].reshape(value.shape))
            begin += value.size
        yield nearby


@lru_cache(maxsize=128)
def _signs(count: int) -> np.ndarray:
    """For each draw, `count` signs: the same ones whenever they are asked for."""
    return np.random.default_rng(0).choice([-1.0, 1.0], size=(DRAWS, count))
