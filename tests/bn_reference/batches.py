"""The batches that the tests share: every layout, memory layouts of every kind, hypothesis."""

from itertools import product

import numpy as np
from hypothesis import strategies as st

from bn_reference.layouts import per_channel

SHAPES = {
    "N,C": (6, 3),
    "N,C,L": (4, 3, 5),
    "N,C,H,W": (3, 4, 4, 2),
    "N,C,D,H,W": (2, 3, 2, 3, 2),
    "1,C,L": (1, 3, 7),
    "1,C,H,W": (1, 2, 3, 4),
    "N,1": (5, 1),
}

every_layout = {"argvalues": list(SHAPES.values()), "ids": list(SHAPES)}
"""For ``pytest.mark.parametrize("shape", **every_layout)``."""


def random_batch(shape, seed=0, dtype=np.float64, offset=0.0):
    """Values whose mean and spread differ from channel to channel."""
    rng = np.random.default_rng(seed)
    mean = offset + rng.normal(size=shape[1])
    spread = rng.uniform(0.5, 2.0, size=shape[1])
    values = per_channel(mean, len(shape)) + per_channel(spread, len(shape)) * rng.normal(size=shape)
    return values.astype(dtype)


def random_vectors(count, channels, seed=1, dtype=np.float64):
    """`count` vectors of one value per channel, of both signs and none near zero."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 2.0, size=(count, channels)) * rng.choice([-1.0, 1.0], size=(count, channels))
    return tuple(values.astype(dtype))


def cotangent(shape, seed=2, dtype=np.float64):
    """A random gradient of the loss: under ``sum(y)`` the gradient of the batch is zero."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def read_only(*arrays):
    """The same arrays, which now raise when somebody writes to them."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _with_axis_last(x, axis):
    """The same values, with `axis` the one that is contiguous."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, axis, -1)), -1, axis)


def _every_second(x):
    wide = np.full([2 * length for length in x.shape], np.nan, dtype=x.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


MEMORY_LAYOUTS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "channels last": lambda x: _with_axis_last(x, 1),
    "examples last": lambda x: _with_axis_last(x, 0),
    "every second value": _every_second,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "read-only": lambda x: read_only(x.copy())[0],
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
}
"""How the same values may lie in memory."""

every_memory_layout = {"argvalues": list(MEMORY_LAYOUTS.values()), "ids": list(MEMORY_LAYOUTS)}


@st.composite
def shapes(draw, least_m=2):
    """Shapes of two to five axes with at least `least_m` values a channel."""
    spatial = draw(st.lists(st.integers(1, 4), max_size=3))
    channels = draw(st.integers(1, 4))
    least = -(-least_m // int(np.prod(spatial, dtype=int)))
    return draw(st.integers(least, least + 5)), channels, *spatial


@st.composite
def batches(draw, least_m=2):
    """Float64 batches of any layout; the largest mean is a thousand times the spread."""
    seed, offset = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, -10.0, 1e3]))
    return random_batch(draw(shapes(least_m)), seed, offset=offset)


def cases(*axes):
    """Every combination of named choices, as arguments for ``parametrize``.

    Examples
    --------
    >>> cases({"a": 1}, {"b": 2, "c": 3})
    {'argvalues': [(1, 2), (1, 3)], 'ids': ['a-b', 'a-c']}
    """
    chosen = list(product(*(axis.items() for axis in axes)))
    return {
        "argvalues": [tuple(value for _, value in choice) for choice in chosen],
        "ids": ["-".join(name for name, _ in choice) for choice in chosen],
    }
