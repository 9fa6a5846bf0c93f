"""Group Normalization: each example over groups of its channels.

Between Layer Normalization (one group) and Instance Normalization (a group for each channel).
No example sees another. Wu & He 2018 (arXiv 1803.08494).
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


def groupnorm_forward(
    x: np.ndarray, groups: int, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, AffineCache]:
    """Normalise each example over each of its groups of neighbouring channels.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
    groups : int
        How many groups; it divides C.
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
        If shapes do not fit together, `x` is empty, `groups` does not divide C, `eps` is
        negative, or `eps` is 0 and a group does not vary.

    Notes
    -----
    Wu & He 2018, Equations 1, 2, 6 and 7.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, 2.0, 8.0]])
    >>> y, cache = groupnorm_forward(x, 2, gamma=np.ones(4), beta=np.zeros(4), eps=0.0)
    >>> y.tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    x = batch("x", x)
    gamma = channel_vector("gamma", gamma, x)
    beta = channel_vector("beta", beta, x)
    n, channels = x.shape[:2]
    if groups < 1 or channels % groups:
        raise ValueError(
            f"groups is {groups}, expected a divisor of the {channels} channels of x with shape {x.shape}"
        )

    rescaled = normalize(x.reshape(n, groups, -1), (2,), eps)
    x_hat = rescaled.x_hat.reshape(x.shape)
    gamma = per_channel(gamma, x.ndim)
    y = scale_and_shift(x_hat, gamma, per_channel(beta, x.ndim))
    return in_dtype(y, x.dtype), AffineCache(rescaled, x_hat, gamma)


def groupnorm_backward(dout: np.ndarray, cache: AffineCache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass in closed form.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : AffineCache
        From `groupnorm_forward`.

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
    `bn_reference.normalization.normalize_backward`, over each group.

    Examples
    --------
    >>> _, cache = groupnorm_forward(np.array([[1.0, 3.0, 2.0, 8.0]]), 2, np.ones(4), np.zeros(4))
    >>> dx, dgamma, dbeta = groupnorm_backward(np.array([[1.0, 0.0, 0.0, 0.0]]), cache)
    >>> dx[0, 2:].tolist(), dbeta.tolist()
    ([0.0, 0.0], [1.0, 0.0, 0.0, 0.0])
    """
    given = inexact_array("dout", dout).dtype
    dx_hat, dgamma, dbeta = scale_and_shift_backward(dout, cache.x_hat, cache.gamma)
    dx = normalize_backward(dx_hat.reshape(cache.rescaled.x_hat.shape), cache.rescaled)
    dgamma, dbeta = (in_dtype(d.reshape(-1), cache.gamma.dtype) for d in (dgamma, dbeta))
    return in_dtype(dx.reshape(dout.shape), given), dgamma, dbeta
