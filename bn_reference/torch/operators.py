"""Batch Normalization as operators of torch: in training there and back, and at inference.

An operator is one step for torch, whatever happens inside. So each kind of device does it as fast
as it can: the CPU by `bn_reference.torch.cpu_kernels`, a CUDA device by
`bn_reference.torch.triton_kernels` where Triton is installed, and any other by the formulas that
stand here. `torch.func.vmap` goes through as well: many batches of C channels are one batch of
many times C channels.

All take batches ``(N, C)`` or ``(N, C, ...)``. In training the mean of a channel comes in two
parts, ``mean + residue``: see `bn_reference.fast` for why.
"""

from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise

import torch
from torch import Tensor

from bn_reference.layouts import per_channel, reduction_axes

LIBRARY = torch.library.Library("bn_reference", "DEF")
LIBRARY.define(
    "normalize(Tensor x, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor, Tensor)"
)
LIBRARY.define(
    "normalize_backward(Tensor dout, Tensor x, Tensor? weight, Tensor mean, Tensor residue, Tensor var, "
    "float eps) -> (Tensor, Tensor, Tensor)"
)
LIBRARY.define(
    "apply_statistics(Tensor x, Tensor mean, Tensor var, Tensor? weight, Tensor? bias, float eps) -> Tensor"
)

KERNELS = {"CPU": "bn_reference.torch.cpu_kernels"}
"""The module that works for each kind of device."""
if find_spec("triton"):
    KERNELS["CUDA"] = "bn_reference.torch.triton_kernels"


def normalize(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalise with the statistics of the batch, by formulas that run on any device.

    Parameters
    ----------
    x : Tensor, shape (N, C) or (N, C, ...), floating
    weight, bias : Tensor of shape (C,), or None
    eps : float

    Returns
    -------
    y : Tensor, shape, dtype and layout of `x`
    mean, residue, var : Tensor, shape (C,), float32 or wider

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1. Batch Normalization does not see a constant that is added to
    a channel: so ``mean``, rounded, is taken out first, and a large mean does not swamp the spread.
    Where it is infinite or NaN, zero is taken out, and the residue is the mean.
    """
    axes, wide = reduction_axes(x.ndim), widen(x)
    mean = torch.nan_to_num(wide.mean(axes), nan=0.0, posinf=0.0, neginf=0.0)
    shifted = wide - per_channel(mean, x.ndim)
    residue = shifted.mean(axes)
    centered = shifted - per_channel(residue, x.ndim)
    var = (centered**2).mean(axes)
    y = _scale_and_shift(centered, var, weight, bias, eps)
    return laid_out_like(x, y.to(x.dtype)), mean, residue, var


def normalize_backward(
    dout: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, residue: Tensor, var: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients ``dx``, ``dweight`` and ``dbias``, by formulas that can be differentiated again.

    Parameters
    ----------
    dout, x : Tensor, shape (N, C) or (N, C, ...), floating
    weight : Tensor of shape (C,), or None
    mean, residue, var : Tensor, shape (C,)
        From `normalize`.
    eps : float

    Returns
    -------
    dx : Tensor, shape, dtype and layout of `x`
    dweight, dbias : Tensor, shape (C,), float32 or wider

    Notes
    -----
    The closed form of `bn_reference.batchnorm.batchnorm_backward`.
    """
    axes, m = reduction_axes(x.ndim), x.numel() // x.shape[1]

    def channel(vector):
        return per_channel(vector, x.ndim)

    rstd = torch.rsqrt(var + eps)
    x_hat = (widen(x) - channel(mean) - channel(residue)) * channel(rstd)
    dout = widen(dout)
    dweight, dbias = (dout * x_hat).sum(axes), dout.sum(axes)
    scale = rstd if weight is None else rstd * widen(weight)
    dx = channel(scale) * (dout - channel(dbias / m) - x_hat * channel(dweight / m))
    return laid_out_like(x, dx.to(x.dtype)), dweight, dbias


def apply_statistics(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Normalise with given statistics, by a formula that can be differentiated.

    Parameters
    ----------
    x : Tensor, shape (N, C) or (N, C, ...), floating
    mean, var : Tensor, shape (C,)
    weight, bias : Tensor of shape (C,), or None
    eps : float

    Returns
    -------
    Tensor, shape, dtype and layout of `x`

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 2, line 11, computed in at least float32.
    """
    centered = widen(x) - per_channel(widen(mean), x.ndim)
    return laid_out_like(x, _scale_and_shift(centered, var, weight, bias, eps).to(x.dtype))


def _scale_and_shift(centered, var, weight, bias, eps):
    """``weight * centered / sqrt(var + eps) + bias``."""

    def channel(vector):
        return per_channel(widen(vector), centered.ndim)

    scale = torch.rsqrt(widen(var) + eps)
    if weight is not None:
        scale = scale * widen(weight)
    if bias is None:
        return centered * channel(scale)
    return torch.addcmul(channel(bias), centered, channel(scale))


def widen(x: Tensor) -> Tensor:
    """float16 and bfloat16 become float32; wider dtypes stay."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def laid_out_like(x: Tensor, y: Tensor) -> Tensor:
    """`y` with its channels last in memory if those of `x` are, in C order otherwise."""
    if x.ndim in (4, 5):
        batch, channels, *spatial = x.stride()
        descend = all(outer >= inner for outer, inner in pairwise([batch, *spatial, channels]))
        if channels > 0 and descend:
            return y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y.contiguous()


def _normalize_under_vmap(info, in_dims, x, weight, bias, eps):
    x, weight, bias = (
        _channels_of_all(value, dim, info.batch_size, axis)
        for value, dim, axis in zip((x, weight, bias), in_dims, (1, 0, 0), strict=False)
    )
    y, *vectors = torch.ops.bn_reference.normalize(x, weight, bias, eps)
    return _apart((y, *vectors), info.batch_size), (1, 0, 0, 0)


def _normalize_backward_under_vmap(info, in_dims, dout, x, weight, mean, residue, var, eps):
    arguments = [
        _channels_of_all(value, dim, info.batch_size, axis)
        for value, dim, axis in zip(
            (dout, x, weight, mean, residue, var), in_dims, (1, 1, 0, 0, 0, 0), strict=False
        )
    ]
    return _apart(torch.ops.bn_reference.normalize_backward(*arguments, eps), info.batch_size), (1, 0, 0)


def _apply_statistics_under_vmap(info, in_dims, x, mean, var, weight, bias, eps):
    arguments = [
        _channels_of_all(value, dim, info.batch_size, axis)
        for value, dim, axis in zip((x, mean, var, weight, bias), in_dims, (1, 0, 0, 0, 0), strict=False)
    ]
    (y,) = _apart([torch.ops.bn_reference.apply_statistics(*arguments, eps)], info.batch_size)
    return y, 1


def _channels_of_all(value, dim, batches, axis):
    """Put the batches side by side along `axis`, as more channels."""
    if value is None:
        return None
    value = (
        value.unsqueeze(axis).expand(*value.shape[:axis], batches, *value.shape[axis:])
        if dim is None
        else value.movedim(dim, axis)
    )
    return value.flatten(axis, axis + 1)


def _apart(values, batches):
    """Undo `_channels_of_all` for a batch and vectors."""
    first, *vectors = values
    return first.unflatten(1, (batches, -1)), *(vector.unflatten(0, (batches, -1)) for vector in vectors)


def _by_kernels(device, method, formula, x_at):
    """The operator by the kernels of a device, imported when they are first needed, or by its formula."""

    def run(*arguments):
        kernels = import_module(KERNELS[device])
        chosen = getattr(kernels, method) if kernels.supports(arguments[x_at]) else formula
        return chosen(*arguments)

    return run


for operator, method, formula, x_at, under_vmap in (
    ("normalize", "forward", normalize, 0, _normalize_under_vmap),
    ("normalize_backward", "backward", normalize_backward, 1, _normalize_backward_under_vmap),
    ("apply_statistics", "inference", apply_statistics, 0, _apply_statistics_under_vmap),
):
    LIBRARY.impl(operator, formula, "CompositeExplicitAutograd")
    for device in KERNELS:
        LIBRARY.impl(operator, _by_kernels(device, method, formula, x_at), device)
    torch.library.register_vmap(f"bn_reference::{operator}", under_vmap, lib=LIBRARY)
