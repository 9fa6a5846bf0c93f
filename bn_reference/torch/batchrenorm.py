"""Batch Renormalization for torch tensors, over `bn_reference.torch.normalization.normalize`."""

import torch
from torch import Tensor

from bn_reference.batchrenorm import check_bounds
from bn_reference.layouts import per_channel, positive_eps, reduction_axes
from bn_reference.torch.layouts import check_channels
from bn_reference.torch.normalization import normalize


def batch_renorm(
    input: Tensor,
    running_mean: Tensor,
    running_std: Tensor,
    r_max: float,
    d_max: float,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.01,
    eps: float = 1e-5,
) -> Tensor:
    """Batch Renormalization; no gradient runs through ``r`` and ``d``.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    running_mean, running_std : Tensor, shape (C,)
        In training they are updated in place, after they were used.
    r_max, d_max : float
        Bounds of the correction in training; with 1 and 0 it is Batch Normalization.
    weight, bias : Tensor of shape (C,), or None
        ``gamma`` and ``beta``; None stands for ones and zeros.
    training : bool
        Normalise with the corrected statistics of the batch, rather than the running ones.
    momentum : float
        Weight of the new value in the running statistics.
    eps : float
        Added to the batch variance, inside the root.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, ``r_max < 1``, ``d_max < 0``, or `eps` is negative.

    Notes
    -----
    Ioffe 2017 (arXiv 1702.03275), Algorithm 1.

    Examples
    --------
    >>> x, one = torch.tensor([[1.0], [3.0]]), torch.ones(1)
    >>> batch_renorm(x, one, 2 * one, r_max=3, d_max=5, training=True, eps=0.0).tolist()
    [[0.0], [1.0]]
    """
    check_channels(input, running_mean=running_mean, running_std=running_std, weight=weight, bias=bias)
    check_bounds(r_max, d_max)
    wide = input.to(torch.promote_types(input.dtype, torch.float32))

    def channel(vector):
        return per_channel(vector, input.ndim)

    if training:
        axes = reduction_axes(input.ndim)
        with torch.no_grad():
            # The mean in two parts, so that rounding takes nothing from its distance to the running one.
            mean = wide.mean(axes)
            var, residue = torch.var_mean(wide - channel(mean), dim=axes, correction=0)
            std = torch.sqrt(var + positive_eps(eps))
            distance = (mean - running_mean) + residue
            r = (std / running_std).clamp(1 / r_max, r_max)
            d = (distance / running_std).clamp(-d_max, d_max)
            running_mean += momentum * distance
            running_std += momentum * (std - running_std)
        y = normalize(wide, axes, eps) * channel(r) + channel(d)
    else:
        y = (wide - channel(running_mean)) / channel(running_std)
    y = y if weight is None else y * channel(weight)
    y = y if bias is None else y + channel(bias)
    return y.to(input.dtype)
