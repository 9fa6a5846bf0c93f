"""Whitening as a layer: Decorrelated Batch Normalization, and its iterative form.

Batch Normalization gives each channel variance one; these layers give the channels covariance
``I``, by ``y = W @ (x - mean)`` with ``W = (covariance + eps * I)**-0.5``, the ZCA whitening of
`bn_reference.whitening`. What is new is the backward pass through ``W``: through the
eigendecomposition (Huang et al. 2018, arXiv 1804.08450) or through Newton's iteration (IterNorm,
Huang et al. 2019, arXiv 1904.03441).

There is one group of channels, and scale and shift are left out: put a linear layer behind.
"""

from dataclasses import dataclass

import numpy as np

from bn_reference.layouts import batch, inexact_array, positive_eps, same_shape
from bn_reference.normalization import center, in_dtype


@dataclass(frozen=True)
class WhiteningCache:
    """What both layers leave for the backward pass.

    Attributes
    ----------
    mean : ndarray, shape (C,), float64 or wider
    matrix : ndarray, shape (C, C), float64 or wider
        ``W``, the whitening matrix.
    centered : ndarray, shape (C, m), float64 or wider
        ``x - mean``, one column for each example and position.
    shape : tuple of int
        That of the batch.
    """

    mean: np.ndarray
    matrix: np.ndarray
    centered: np.ndarray
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ZCACache(WhiteningCache):
    """A `WhiteningCache`, and the eigendecomposition.

    Attributes
    ----------
    root : ndarray, shape (C,)
        ``sqrt(lam + eps)`` for each eigenvalue of the covariance.
    u : ndarray, shape (C, C)
        The eigenvectors, as columns.
    """

    root: np.ndarray
    u: np.ndarray


@dataclass(frozen=True)
class IterNormCache(WhiteningCache):
    """A `WhiteningCache`, and the iteration.

    Attributes
    ----------
    trace : float
        Of ``covariance + eps * I``.
    sigma_n : ndarray, shape (C, C)
        ``(covariance + eps * I) / trace``.
    p : tuple of ndarray, each of shape (C, C)
        ``P_0 = I, P_1, ...``: they approach ``sigma_n**-0.5``.
    """

    trace: float
    sigma_n: np.ndarray
    p: tuple[np.ndarray, ...]


def zca_forward(x: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, ZCACache]:
    """Whiten the channels with the statistics of the batch, as in training.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), real floating
    eps : float
        Added to each eigenvalue of the covariance.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
        Its channels have mean zero and covariance ``I`` (but for `eps`).
    cache : ZCACache

    Raises
    ------
    TypeError
        If `x` is not real floating.
    ValueError
        If `x` has fewer than 2 axes, is empty or not finite, `eps` is negative, or the
        covariance lacks full rank and `eps` is 0 or below the rounding noise.

    Notes
    -----
    Huang et al. 2018: whitening by ZCA.

    Examples
    --------
    >>> x = np.array([[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]])
    >>> zca_forward(x, eps=0.0)[0].round(3).tolist()
    [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
    """
    x = batch("x", x)
    if np.iscomplexobj(x):
        raise TypeError(f"x has dtype {x.dtype}, expected real numbers")
    mean, centered, sigma = _covariance(x, eps)
    if not np.all(np.isfinite(sigma)):
        raise ValueError("x holds NaN or infinite values, expected finite numbers")

    lam, u = np.linalg.eigh(sigma)
    noise = max(centered.shape) * np.finfo(lam.dtype).eps * lam[-1]
    if lam[0] <= noise:
        raise ValueError(
            f"the covariance of x with shape {x.shape} has an eigenvalue of {lam[0]:.0e} with eps={eps:g}, "
            f"expected all well above {noise:.0e}, the level of rounding noise; pass a larger eps"
        )
    root = np.sqrt(lam)
    matrix = u / root @ u.T
    y = in_dtype(_as_batch(matrix @ centered, x.shape), x.dtype)
    return y, ZCACache(mean, matrix, centered, x.shape, root, u)


def zca_backward(dout: np.ndarray, cache: ZCACache) -> np.ndarray:
    """The backward pass through the eigendecomposition.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : ZCACache
        From `zca_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of the batch.

    Notes
    -----
    The gradients of eigenvectors, through which the paper goes, are singular where
    eigenvalues are equal, although ``W`` is smooth there. The theorem of Daleckii and Krein
    (Higham 2008, *Functions of Matrices*, Theorem 3.11) goes around them: in the basis ``u``
    the derivative of ``f(sigma)`` is multiplied entry by entry with the divided differences of
    ``f``, which for ``f(lam) = lam**-0.5`` and ``s = lam**0.5`` are ::

        (f(lam_i) - f(lam_j)) / (lam_i - lam_j) = -1 / (s_i s_j (s_i + s_j))

    Examples
    --------
    >>> x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> y, cache = zca_forward(x, eps=0.0)
    >>> bool(np.abs(zca_backward(y, cache)).max() < 1e-15)
    True
    """
    given = inexact_array("dout", dout).dtype
    dy = _as_columns(same_shape("dout", dout, np.empty(cache.shape), "the batch that went forward"))
    s, u = cache.root, cache.u

    dmatrix = dy @ cache.centered.T
    divided_differences = -1 / (np.outer(s, s) * (s[:, None] + s))
    dsigma = u @ (divided_differences * (u.T @ _symmetric(dmatrix) @ u)) @ u.T
    return in_dtype(_input_gradient(dy, dsigma, cache), given)


def iternorm_forward(
    x: np.ndarray, iterations: int = 5, eps: float = 1e-5
) -> tuple[np.ndarray, IterNormCache]:
    """Whiten the channels by Newton's iteration: matrix products in place of eigenvectors.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
    iterations : int
        How many steps. Few leave directions of small variance short of variance one; many
        more than it takes to converge magnify rounding, about threefold a step.
    eps : float
        Added to the diagonal of the covariance.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    cache : IterNormCache

    Raises
    ------
    TypeError
        If `x` is not floating.
    ValueError
        If `x` has fewer than 2 axes or is empty, `iterations` or `eps` is negative, or `eps`
        is 0 and no channel varies.

    Notes
    -----
    Huang et al. 2019: ``P_{k+1} = (3 P_k - P_k**3 @ sigma_n) / 2`` from
    ``P_0 = I``, with the covariance divided by its trace so that the iteration converges.

    Examples
    --------
    >>> x = np.array([[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]])
    >>> iternorm_forward(x, iterations=9)[0].round(3).tolist()
    [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
    """
    x = batch("x", x)
    if iterations < 0:
        raise ValueError(f"iterations is {iterations}, expected a number of steps, zero or above")
    mean, centered, sigma = _covariance(x, eps)
    trace = np.trace(sigma)
    if trace == 0:
        raise ValueError("eps is 0 and no channel of x varies, expected eps above zero (1e-5 is usual)")

    sigma_n = sigma / trace
    p = [np.eye(len(sigma), dtype=sigma.dtype)]
    for _ in range(iterations):
        p.append((3 * p[-1] - p[-1] @ p[-1] @ p[-1] @ sigma_n) / 2)
    matrix = p[-1] / np.sqrt(trace)
    y = in_dtype(_as_batch(matrix @ centered, x.shape), x.dtype)
    return y, IterNormCache(mean, matrix, centered, x.shape, trace, sigma_n, tuple(p))


def iternorm_backward(dout: np.ndarray, cache: IterNormCache) -> np.ndarray:
    """The backward pass, one step of the iteration at a time.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : IterNormCache
        From `iternorm_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of the batch.

    Notes
    -----
    The chain rule of each line of the forward pass, last line first.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [2.0, 7.0], [6.0, 6.0]])
    >>> dx = iternorm_backward(x, iternorm_forward(x)[1])
    >>> bool(np.abs(dx.sum(axis=0)).max() < 1e-14)
    True
    """
    given = inexact_array("dout", dout).dtype
    dy = _as_columns(same_shape("dout", dout, np.empty(cache.shape), "the batch that went forward"))
    s, trace = cache.sigma_n, cache.trace

    # y = matrix @ centered;  matrix = P_last / sqrt(trace)
    dmatrix = dy @ cache.centered.T
    dp = dmatrix / np.sqrt(trace)
    dtrace = -np.sum(dmatrix * cache.matrix) / (2 * trace)
    # P_{k+1} = (3 P_k - P_k P_k P_k S) / 2, where P_k and S are symmetric
    ds = np.zeros_like(s)
    for p in reversed(cache.p[:-1]):
        pp, gs = p @ p, dp @ s
        ds = ds - pp @ p @ dp / 2
        dp = (3 * dp - gs @ pp - p @ gs @ p - pp @ gs) / 2
    # S = sigma / trace;  trace = sum of sigma's diagonal
    dtrace = dtrace - np.sum(ds * s) / trace
    dsigma = ds / trace + dtrace * np.eye(len(s))
    return in_dtype(_input_gradient(dy, _symmetric(dsigma), cache), given)


def _covariance(x, eps):
    """Mean, centred columns, and ``covariance + eps * I``."""
    columns = _as_columns(x)
    mean, centered = center(columns, (1,))
    sigma = centered @ centered.T / centered.shape[1] + positive_eps(eps) * np.eye(len(centered))
    return mean.reshape(-1), centered, sigma


def _input_gradient(dy, dsigma, cache):
    """Through ``y = matrix @ centered`` and ``sigma = centered @ centered.T / m``, then the mean."""
    m = cache.centered.shape[1]
    # matrix and dsigma are symmetric.
    dcentered = cache.matrix @ dy + 2 / m * dsigma @ cache.centered
    return _as_batch(center(dcentered, (1,))[1], cache.shape)


def _symmetric(matrix):
    return (matrix + matrix.T) / 2


def _as_columns(x):
    """``(N, C, *spatial)`` to ``(C, m)``."""
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)


def _as_batch(columns, shape):
    """``(C, m)`` back to ``(N, C, *spatial)``."""
    n, channels, *spatial = shape
    return np.moveaxis(columns.reshape(channels, n, *spatial), 0, 1)
