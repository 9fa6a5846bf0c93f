"""How far a right answer may be from the reference: the one home of the tolerances.

An answer is right if it is the exact answer to a problem within rounding of the one posed.
So the inputs are moved by one unit in the last place, at random, and what that does to each
output is what rounding may do. Where sums cancel, the size of the summands counts too.
Nothing here depends on the formula, so that ill-conditioned inputs (a large mean, a tiny
variance) get the slack that they need and no more.
"""

import numpy as np

from bn_reference.checks.spec import Case, Spec, in_float64

SAFETY = 64
"""Roundings that a right answer may pile up: sums over a batch, a few operations a value."""

DRAWS = 3


def tolerances(
    spec: Spec, case: Case, expected: dict[str, np.ndarray], precision: type = np.float64
) -> dict[str, float]:
    """The largest absolute difference that still counts as right, for each output.

    The unit of rounding is that of the narrowest floating input, or of `precision` if that is narrower.
    """
    floating = [v.dtype for v in case.inputs.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    unit = max(np.finfo(dtype).eps for dtype in [*floating, precision])
    inputs = in_float64(case.inputs)
    moved = dict.fromkeys(expected, 0.0)
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        nearby = Case(case.name, case.kind, {name: _move(v, unit, rng) for name, v in inputs.items()})
        for name, value in spec.expected(nearby).items():
            moved[name] = max(moved[name], float(np.max(np.abs(value - expected[name]))))
    return {name: SAFETY * (moved[name] + unit * _size(spec, name, inputs, expected)) for name in expected}


def _size(spec, name, inputs, expected):
    magnitude = spec.nodes[name].magnitude
    size = float(np.max(np.abs(expected[name])))
    return size if magnitude is None else max(size, float(magnitude(inputs)))


def _move(value, unit, rng):
    if not isinstance(value, np.ndarray):
        return value
    return value * (1 + unit * rng.choice([-1.0, 1.0], size=value.shape))
