"""Instance Normalization: each channel of each example over its positions.

The contrast of one image does not reach another. Ulyanov, Vedaldi & Lempitsky 2016
(arXiv 1607.08022). The statistics are the instance's, in training and at inference.
"""

import numpy as np

from bn_reference.layouts import batch, channel_vector, inexact_array, per_channel
from bn_reference.normalization import (
    AffineCache,
    in_dtype,
    normalize,
    normalize_backward,
    scale_and_shift,
    scale_and_shift_backward,
)


def instancenorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, AffineCache]:
    """Normalise each channel of each example over its positions.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...), floating
        With at least one spatial axis.
    gamma, beta : ndarray, shape (C,), floating
        Scale and shift.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    cache : AffineCache

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` has no spatial axis or is empty, `eps` is negative,
        or `eps` is 0 and an instance does not vary.

    Notes
    -----
    Ulyanov, Vedaldi & Lempitsky 2016, Section 2; scale and shift follow Batch
    Normalization.

    Examples
    --------
    >>> x = np.array([[[1.0, 3.0], [2.0, 8.0]]])
    >>> y, cache = instancenorm_forward(x, gamma=np.ones(2), beta=np.zeros(2), eps=0.0)
    >>> y.tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    x = batch("x", x)
    if x.ndim < 3:
        raise ValueError(f"x has shape {x.shape}, expected (N, C, *spatial) with at least one spatial axis")
    gamma = per_channel(channel_vector("gamma", gamma, x), x.ndim)
    beta = per_channel(channel_vector("beta", beta, x), x.ndim)

    rescaled = normalize(x, tuple(range(2, x.ndim)), eps)
    y = scale_and_shift(rescaled.x_hat, gamma, beta)
    return in_dtype(y, x.dtype), AffineCache(rescaled, rescaled.x_hat, gamma)


def instancenorm_backward(dout: np.ndarray, cache: AffineCache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass in closed form.

    Parameters
    ----------
    dout : ndarray, shape (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : AffineCache
        From `instancenorm_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`
    dgamma, dbeta : ndarray, shape (C,), dtype of ``gamma``

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of ``x``.

    Notes
    -----
    `bn_reference.normalization.normalize_backward`, over the positions.

    Examples
    --------
    >>> _, cache = instancenorm_forward(np.array([[[1.0, 2.0, 6.0]]]), np.ones(1), np.zeros(1))
    >>> dx, dgamma, dbeta = instancenorm_backward(np.array([[[1.0, 0.0, 0.0]]]), cache)
    >>> bool(abs(dx.sum()) < 1e-15), dbeta.tolist()
    (True, [1.0])
    """
    given = inexact_array("dout", dout).dtype
    dx_hat, dgamma, dbeta = scale_and_shift_backward(dout, cache.x_hat, cache.gamma)
    dx = normalize_backward(dx_hat, cache.rescaled)
    dgamma, dbeta = (in_dtype(d.reshape(-1), cache.gamma.dtype) for d in (dgamma, dbeta))
    return in_dtype(dx, given), dgamma, dbeta
