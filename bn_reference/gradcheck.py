"""Is this derivative right? Finite differences, the complex step, and how to compare.

Each function here takes ``f``, an array ``x`` and a *cotangent* ``dout`` with the shape of
``f(x)``, and returns the gradient of the scalar ``sum(f(x) * dout)`` with respect to ``x``:
what a backward pass computes from ``dout``. Use a random ``dout``. Batch Normalization is
why: under ``sum(y)`` the gradient of its input is exactly zero, and a test would compare
rounding residue with rounding residue.
"""

from collections.abc import Callable

import numpy as np

from bn_reference.layouts import inexact_array, same_shape


def central_difference(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dout: np.ndarray, step: float | None = None
) -> np.ndarray:
    """Gradient of ``sum(f(x) * dout)`` by central differences.

    Parameters
    ----------
    f : callable, ndarray to ndarray
        Evaluated twice for each entry of `x`. It is given copies, and `x` is not changed.
    x : ndarray, any shape, floating
        Use float64: in float32 fewer than four digits are left.
    dout : ndarray, shape of ``f(x)``, floating
    step : float, optional
        Half the distance between the two points. By default the cube root of the dtype's
        machine epsilon times ``max(1, abs(x))``, where the error of truncation, ``step**2``,
        balances that of rounding, ``machine epsilon / step``.

    Returns
    -------
    dx : ndarray, shape and dtype of `x`

    Raises
    ------
    TypeError
        If `x` or `dout` is not floating.
    ValueError
        If ``f(x)`` does not have the shape of `dout`, or `step` is not above zero.

    Notes
    -----
    Nocedal & Wright 2006, *Numerical Optimization*, Section 8.1.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> central_difference(np.square, x, dout=np.array([1.0, 10.0])).round(6).tolist()
    [2.0, 40.0]
    """
    x = inexact_array("x", x)
    dout = same_shape("dout", dout, np.asarray(f(x.copy())), "f(x)")
    if step is not None and not step > 0:
        raise ValueError(f"step is {step}, expected a number above zero, or None for the default")

    dx = np.empty_like(x)
    for index in np.ndindex(x.shape):
        h = step or np.cbrt(np.finfo(x.dtype).eps) * max(1.0, abs(x[index]))
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        # The points that were really taken differ from x ± h by rounding.
        distance = above[index] - below[index]
        dx[index] = np.sum((f(above) - f(below)) * dout) / distance
    return dx


def complex_step(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dout: np.ndarray, step: float = 1e-30
) -> np.ndarray:
    """Gradient of ``sum(f(x) * dout)`` by the complex step, exact to rounding.

    Parameters
    ----------
    f : callable, ndarray to ndarray
        It must be analytic: no ``abs``, ``conj``, ``max`` or comparison on the way, and
        squares written ``z**2``, not ``abs(z)**2`` (so not ``np.var``).
    x : ndarray, any shape, float64
    dout : ndarray, shape of ``f(x)``, floating
    step : float
        No difference is taken, so it may be as small as the dtype allows.

    Returns
    -------
    dx : ndarray, shape of `x`, float64

    Raises
    ------
    TypeError
        If `x` is not real floating, or ``f`` returns real values for complex input.
    ValueError
        If ``f(x)`` does not have the shape of `dout`.

    Notes
    -----
    ``f(x + ih) = f(x) + ih f'(x) - h**2 f''(x) / 2 - ...``, so ``imag(f(x + ih)) / h`` is
    ``f'(x)`` with an error of order ``h**2``, and nothing is subtracted. Squire & Trapp 1998,
    SIAM Review 40(1).

    Examples
    --------
    >>> complex_step(np.exp, np.array([0.0, 1.0]), dout=np.ones(2)).tolist() == [1.0, np.e]
    True
    """
    x = inexact_array("x", x)
    if np.iscomplexobj(x):
        raise TypeError(f"x has dtype {x.dtype}, expected real numbers: the step itself is imaginary")

    dx = np.empty(x.shape, dtype=np.float64)
    for index in np.ndindex(x.shape):
        z = x.astype(np.complex128)
        z[index] += 1j * step
        out = np.asarray(f(z))
        if not np.iscomplexobj(out):
            raise TypeError(
                f"f returned dtype {out.dtype} for complex input, expected a complex dtype; "
                f"f must not take real parts or absolute values"
            )
        dout = same_shape("dout", dout, out, "f(x)")
        dx[index] = np.sum(out.imag * dout) / step
    return dx


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest magnitude in either array.

    Parameters
    ----------
    actual, expected : ndarray, same shape, floating

    Returns
    -------
    float
        ``max|actual - expected| / max(max|actual|, max|expected|)``; 0 if both are zero
        throughout, NaN if a NaN is in either. One scale serves the whole array: an entry
        that should be 0 and is 1e-17 does not count as wholly wrong.

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> relative_error(np.array([1.0, 0.0]), np.array([1.0, 1e-3]))
    0.001
    """
    expected = inexact_array("expected", expected)
    actual = same_shape("actual", actual, expected, "expected")
    # np.maximum hands a NaN on, where max would drop it.
    scale = np.maximum(np.max(np.abs(actual), initial=0.0), np.max(np.abs(expected), initial=0.0))
    if scale == 0:
        return 0.0
    return float(np.max(np.abs(actual - expected)) / scale)
