"""What the family shares: centre, rescale, scale and shift, each with its backward pass.

Batch, Layer, Instance and Group Normalization are one computation over different axes:
centre the values, divide them by their root mean square, then scale and shift. RMSNorm leaves
out the first step. The modules of these names say which axes; the formulas are here.

All sums run in float64, or wider if the input is wider. Complex input is taken too: squares are
squares, not squared magnitudes, so that a complex step through these functions is exact.
"""

from dataclasses import dataclass

import numpy as np

from bn_reference.layouts import inexact_array, positive_eps, same_shape


@dataclass(frozen=True)
class Rescaled:
    """Values divided by their root mean square: what the backward pass needs.

    Attributes
    ----------
    x_hat : ndarray, shape of the values, float64 or wider
    rms : ndarray, float64 or wider
        ``sqrt(mean(values**2) + eps)``, with length 1 in the reduced axes.
    axes : tuple of int
        The reduced axes.
    """

    x_hat: np.ndarray
    rms: np.ndarray
    axes: tuple[int, ...]


@dataclass(frozen=True)
class AffineCache:
    """What the forward pass of a normalisation leaves for its backward pass.

    Attributes
    ----------
    rescaled : Rescaled
        In the shape in which the sums ran, which for groups is not that of the batch.
    x_hat : ndarray, shape of the batch, float64 or wider
    gamma : ndarray
        The scale, shaped so that it broadcasts against the batch.
    """

    rescaled: Rescaled
    x_hat: np.ndarray
    gamma: np.ndarray


def center(x: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Subtract the mean over `axes`. The step is its own backward pass.

    Parameters
    ----------
    x : ndarray, any shape, floating
    axes : tuple of int

    Returns
    -------
    mean : ndarray, float64 or wider
        With length 1 in the reduced axes.
    centered : ndarray, shape of `x`, float64 or wider

    Raises
    ------
    TypeError
        If `x` is not floating.

    Notes
    -----
    ``I - 1 1^T / m`` is a symmetric matrix, so that the gradient of the loss is centred like the
    values themselves.

    Examples
    --------
    >>> mean, centered = center(np.array([[1.0, 3.0], [2.0, 8.0]]), axes=(1,))
    >>> mean.tolist(), centered.tolist()
    ([[2.0], [5.0]], [[-1.0, 1.0], [-3.0, 3.0]])
    """
    x = inexact_array("x", x)
    mean = np.mean(x, axis=axes, dtype=np.result_type(x, np.float64), keepdims=True)
    centered = x - mean
    # The sum behind the mean was rounded. What that left in `centered` is small, so its own
    # mean is nearly exact: take it out. (Infinite input has no residue worth the name.)
    residue = np.mean(centered, axis=axes, keepdims=True)
    residue = np.where(np.isfinite(residue), residue, 0)
    return mean + residue, centered - residue


def rescale(x: np.ndarray, axes: tuple[int, ...], eps: float) -> Rescaled:
    """Divide by the root mean square over `axes`.

    Parameters
    ----------
    x : ndarray, any shape, floating
    axes : tuple of int
    eps : float
        Added to the mean square, inside the root.

    Returns
    -------
    Rescaled

    Raises
    ------
    TypeError
        If `x` is not floating.
    ValueError
        If `eps` is negative, or is 0 where all the values are 0.

    Notes
    -----
    Zhang & Sennrich 2019 (arXiv 1910.07467), Section 4. Of centred values the mean square is
    the biased variance, and this is lines 2 and 3 of Algorithm 1 of Ioffe & Szegedy 2015.

    Examples
    --------
    >>> rescale(np.array([[3.0, 4.0], [0.0, 2.0]]), axes=(1,), eps=0.0).rms.round(3).tolist()
    [[3.536], [1.414]]
    """
    x = inexact_array("x", x)
    x = x.astype(np.result_type(x, np.float64), copy=False)
    rms = np.sqrt(np.mean(x**2, axis=axes, keepdims=True) + positive_eps(eps))
    if np.any(rms == 0):
        index = tuple(map(int, np.unravel_index(np.argmin(np.abs(rms)), rms.shape)))
        raise ValueError(
            f"eps is 0 and the values over axes {axes} have mean square 0 at index {index}, so that "
            f"x_hat would be 0/0; expected eps above zero (1e-5 is usual) or values that vary"
        )
    return Rescaled(x / rms, rms, axes)


def rescale_backward(dx_hat: np.ndarray, cache: Rescaled) -> np.ndarray:
    """The backward pass of `rescale`.

    Parameters
    ----------
    dx_hat : ndarray, shape of ``x_hat``, floating
    cache : Rescaled
        From `rescale`.

    Returns
    -------
    dx : ndarray, shape of `dx_hat`, float64 or wider

    Raises
    ------
    TypeError
        If `dx_hat` is not floating.
    ValueError
        If `dx_hat` does not have the shape of ``x_hat``.

    Notes
    -----
    With ``rms**2 = mean(x**2) + eps``, the chain rule over both paths from ``x`` gives::

        dx = (dx_hat - x_hat * mean(dx_hat * x_hat)) / rms

    `dx_hat` loses its part along ``x_hat`` (all of it when eps is 0).

    Examples
    --------
    >>> cache = rescale(np.array([[3.0, 4.0]]), axes=(1,), eps=0.0)
    >>> dx = rescale_backward(np.array([[3.0, 4.0]]), cache)
    >>> bool(np.abs(dx).max() < 1e-15)
    True
    """
    dx_hat = same_shape("dx_hat", dx_hat, cache.x_hat, "x_hat")
    along_x_hat = np.mean(dx_hat * cache.x_hat, axis=cache.axes, keepdims=True)
    return (dx_hat - cache.x_hat * along_x_hat) / cache.rms


def normalize(x: np.ndarray, axes: tuple[int, ...], eps: float) -> Rescaled:
    """Centre over `axes`, then divide by the standard deviation: mean zero, variance one.

    Parameters
    ----------
    x : ndarray, any shape, floating
    axes : tuple of int
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    Rescaled
        Its ``rms`` is the standard deviation, ``sqrt(var + eps)``.

    Raises
    ------
    TypeError
        If `x` is not floating.
    ValueError
        If `eps` is negative, or is 0 where the values do not vary.

    Notes
    -----
    Ioffe & Szegedy 2015 (arXiv 1502.03167), Algorithm 1, lines 1 to 3, over any axes;
    Wu & He 2018 (arXiv 1803.08494), Equations 1 and 2.

    Examples
    --------
    >>> normalize(np.array([[1.0, 3.0], [2.0, 8.0]]), axes=(1,), eps=0.0).x_hat.tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    _, centered = center(x, axes)
    return rescale(centered, axes, eps)


def normalize_backward(dx_hat: np.ndarray, cache: Rescaled) -> np.ndarray:
    """The backward pass of `normalize`: that of `rescale`, then that of `center`.

    Parameters
    ----------
    dx_hat : ndarray, shape of ``x_hat``, floating
    cache : Rescaled
        From `normalize`.

    Returns
    -------
    dx : ndarray, shape of `dx_hat`, float64 or wider

    Raises
    ------
    TypeError
        If `dx_hat` is not floating.
    ValueError
        If `dx_hat` does not have the shape of ``x_hat``.

    Notes
    -----
    Since ``x_hat`` has mean zero, it is the closed form of Batch Normalization::

        dx = (dx_hat - mean(dx_hat) - x_hat * mean(dx_hat * x_hat)) / std

    Examples
    --------
    >>> cache = normalize(np.array([[1.0, 2.0, 6.0]]), axes=(1,), eps=0.0)
    >>> dx = normalize_backward(np.array([[1.0, 0.0, 0.0]]), cache)
    >>> bool(abs(dx.sum()) < 1e-15)
    True
    """
    _, dx = center(rescale_backward(dx_hat, cache), cache.axes)
    return dx


def scale_and_shift(x_hat: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """``gamma * x_hat + beta``.

    Parameters
    ----------
    x_hat : ndarray, any shape, floating
    gamma, beta : ndarray, floating
        With the number of axes of `x_hat`; length 1 where they are repeated.

    Returns
    -------
    y : ndarray, shape of `x_hat`

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1, line 4.

    Examples
    --------
    >>> scale_and_shift(np.array([[1.0, 2.0]]), np.array([[2.0, 3.0]]), np.array([[1.0, 1.0]])).tolist()
    [[3.0, 7.0]]
    """
    return gamma * x_hat + beta


def scale_and_shift_backward(
    dout: np.ndarray, x_hat: np.ndarray, gamma: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass of `scale_and_shift`.

    Parameters
    ----------
    dout, x_hat : ndarray, same shape, floating
    gamma : ndarray, floating
        As in `scale_and_shift`.

    Returns
    -------
    dx_hat : ndarray, shape of `x_hat`, float64 or wider
    dgamma, dbeta : ndarray, shape of `gamma`, float64 or wider
        Sums over the axes along which `gamma` was repeated.

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of `x_hat`.

    Examples
    --------
    >>> x_hat, gamma = np.array([[1.0], [2.0]]), np.array([[5.0]])
    >>> [part.tolist() for part in scale_and_shift_backward(np.array([[1.0], [10.0]]), x_hat, gamma)]
    [[[5.0], [50.0]], [[21.0]], [[11.0]]]
    """
    dout = same_shape("dout", dout, x_hat, "the batch that went forward")
    dout = dout.astype(np.result_type(dout, np.float64), copy=False)
    repeated = tuple(axis for axis, length in enumerate(gamma.shape) if length == 1)
    dgamma = np.sum(dout * x_hat, axis=repeated, keepdims=True)
    dbeta = np.sum(dout, axis=repeated, keepdims=True)
    return dout * gamma, dgamma, dbeta


def in_dtype(values: np.ndarray, dtype) -> np.ndarray:
    """`values` in `dtype`; complex values stay complex, for the complex step.

    Parameters
    ----------
    values : ndarray, any shape, floating or complex
    dtype : numpy dtype
        A floating one.

    Returns
    -------
    ndarray, shape of `values`
        `values` itself where its dtype is right already.

    Examples
    --------
    >>> in_dtype(np.array([1.0, 1j]), np.float32).dtype, in_dtype(np.array([1.0]), np.float32).dtype
    (dtype('complex64'), dtype('float32'))
    """
    return values.astype(np.result_type(dtype, 1j) if np.iscomplexobj(values) else dtype, copy=False)
