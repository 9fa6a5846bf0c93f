"""How far apart two right answers may be: the one home of the tests' tolerances.

Two ways of computing one thing differ by rounding. So a tolerance is a number of units in
the last place of the dtype, relative to the largest value of the array. Where the problem
itself magnifies rounding (a variance taken in float32 around a large mean, the inverse of a
nearly singular matrix), it is also multiplied by that condition number, which the test states.
"""

import numpy as np

UNIT = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
"""The distance from 1 to the next number of each dtype."""

ROUNDINGS = 32
"""Units that a short chain of operations on a few dozen values may pile up."""


def tolerance(dtype, condition: float = 1.0) -> float:
    """Relative tolerance for results computed in `dtype`, of NumPy or of torch.

    Examples
    --------
    >>> tolerance(np.float64) == tolerance("float64") == 32 * 2.0**-52
    True
    """
    name = str(dtype).removeprefix("torch.") if not isinstance(dtype, type) else np.dtype(dtype).name
    return ROUNDINGS * condition * UNIT[name]


def assert_close(actual, expected, dtype=None, condition: float = 1.0, scale: float = 0.0) -> None:
    """Fail unless arrays or tensors have one shape, hold no NaN, and differ by rounding alone.

    Parameters
    ----------
    actual, expected : array_like or Tensor
    dtype : optional
        Where rounding happened; that of `actual` by default.
    condition : float
        By how much the problem magnifies rounding.
    scale : float
        The size of the summands, where a result is a sum that cancels.

    Examples
    --------
    >>> assert_close(np.float32([1, 0]), [1, 1e-7])
    >>> assert_close(np.float64([1, 0]), [1, 1e-7])
    Traceback (most recent call last):
        ...
    AssertionError: ...
    """
    within = tolerance(dtype or actual.dtype, condition)
    actual, expected = _in_float64(actual), _in_float64(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    largest = max(scale, np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=within * largest, equal_nan=False)


def _in_float64(values):
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)
