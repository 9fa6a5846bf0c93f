"""Fold a batch-norm layer of torch into the linear or convolutional layer before it."""

import copy

import numpy as np
import torch

from bn_reference.folding import fold_batchnorm as fold_arrays
from bn_reference.torch.sync import SyncBatchNorm

FOLDABLE = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
"""Layers whose weight counts the outputs in axis 0."""

NORMALIZATIONS = (
    torch.nn.BatchNorm1d,
    torch.nn.BatchNorm2d,
    torch.nn.BatchNorm3d,
    torch.nn.SyncBatchNorm,
    SyncBatchNorm,
)


def fold_batchnorm(layer: torch.nn.Module, norm: torch.nn.Module) -> torch.nn.Module:
    """One layer that does what `layer` and then `norm` do at inference.

    Parameters
    ----------
    layer : Linear, Conv1d, Conv2d or Conv3d of ``torch.nn``
    norm : batch-norm layer of ``torch.nn`` or of `bn_reference.torch`
        In inference mode, with running statistics.

    Returns
    -------
    torch.nn.Module
        A new layer of the class of `layer`, with a bias, in inference mode; the two that
        came in are not changed.

    Raises
    ------
    TypeError
        If `layer` or `norm` is of another class.
    ValueError
        If `norm` is in training mode or has no running statistics, the channels differ, or a
        variance plus eps is not above zero.

    Notes
    -----
    `bn_reference.folding.fold_batchnorm`, computed in float64 and rounded once.

    Examples
    --------
    >>> layer, norm = torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2).eval()
    >>> x = torch.ones(1, 3)
    >>> torch.allclose(fold_batchnorm(layer, norm)(x), norm(layer(x)), atol=1e-6)
    True
    """
    _check(layer, norm)
    weight, *vectors = (
        None if tensor is None else tensor.detach().double().cpu().numpy()
        for tensor in (layer.weight, layer.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    bias, gamma, beta, mean, var = vectors
    gamma = np.ones_like(mean) if gamma is None else gamma
    beta = np.zeros_like(mean) if beta is None else beta

    folded = copy.deepcopy(layer).eval()
    folded.weight, folded.bias = (
        torch.nn.Parameter(torch.from_numpy(array).to(layer.weight))
        for array in fold_arrays(weight, bias, gamma, beta, mean, var, norm.eps)
    )
    return folded


def _check(layer, norm):
    if not isinstance(layer, FOLDABLE):
        raise TypeError(f"layer is a {type(layer).__name__}, expected Linear, Conv1d, Conv2d or Conv3d")
    if not isinstance(norm, NORMALIZATIONS):
        raise TypeError(f"norm is a {type(norm).__name__}, expected a batch-norm layer")
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("norm has no running statistics, expected a layer with track_running_stats=True")
    if norm.training:
        raise ValueError("norm is in training mode, expected inference mode; call norm.eval() first")
    if norm.num_features != len(layer.weight):
        raise ValueError(
            f"norm has {norm.num_features} channels, expected {len(layer.weight)}, the outputs of layer"
        )
