"""Folding: at inference, Batch Normalization after a linear layer is a linear layer.

With fixed statistics ``y = gamma * (W x + b - mean) / std + beta`` is affine in ``x``, so that new
weights give the same output and the normalisation costs nothing. In training it is not so: there
the statistics depend on the batch.
"""

import numpy as np

from bn_reference.layouts import filled_array, positive_eps, same_shape
from bn_reference.normalization import in_dtype


def fold_batchnorm(
    weight: np.ndarray,
    bias: np.ndarray | None,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of one layer that does what a linear layer and Batch Normalization do.

    Parameters
    ----------
    weight : ndarray, shape (C, ...), floating
        Axis 0 counts the outputs of the layer, which are the channels of the
        normalisation: ``(C, inputs)`` of a linear layer, ``(C, inputs, *kernel)`` of a
        convolution.
    bias : ndarray, shape (C,), floating, or None
        None stands for zeros.
    gamma, beta, running_mean, running_var : ndarray, shape (C,), floating
        Of the normalisation that follows.
    eps : float
        The same `eps` as in training.

    Returns
    -------
    weight : ndarray, shape and dtype of `weight`
    bias : ndarray, shape (C,), dtype of `weight`

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `weight` is empty, `eps` is negative, or
        ``running_var + eps`` is not above zero.

    Notes
    -----
    Ioffe & Szegedy 2015 (arXiv 1502.03167), Algorithm 2, line 11, put after
    ``W x + b``; Jacob et al. 2018 (arXiv 1712.05877), on Batch Normalization folding.

    Examples
    --------
    >>> one = np.ones(1)
    >>> weight, bias = fold_batchnorm(
    ...     np.array([[4.0, 6.0]]), one, gamma=one, beta=3 * one, running_mean=2 * one,
    ...     running_var=4 * one, eps=0.0)
    >>> weight.tolist(), bias.tolist()
    ([[2.0, 3.0]], [2.5])
    """
    weight = filled_array("weight", weight)
    if weight.ndim < 2:
        raise ValueError(f"weight has shape {weight.shape}, expected (C, inputs) or (C, inputs, *kernel)")
    bias = np.zeros(weight.shape[0], weight.dtype) if bias is None else bias
    vectors = {"bias": bias, "gamma": gamma, "beta": beta}
    vectors |= {"running_mean": running_mean, "running_var": running_var}
    outputs = weight.reshape(weight.shape[0], -1)[:, 0]
    bias, gamma, beta, mean, var = (
        same_shape(name, vector, outputs, f"the outputs of weight with shape {weight.shape}").astype(
            np.result_type(weight, np.float64), copy=False
        )
        for name, vector in vectors.items()
    )
    if not np.all(var + positive_eps(eps) > 0):
        raise ValueError(
            f"running_var + eps is {np.min(var + eps)} in channel {np.argmin(var)}, "
            f"expected a number above zero"
        )

    scale = gamma / np.sqrt(var + eps)
    folded_weight = weight * scale.reshape((-1,) + (1,) * (weight.ndim - 1))
    folded_bias = (bias - mean) * scale + beta
    return in_dtype(folded_weight, weight.dtype), in_dtype(folded_bias, weight.dtype)
