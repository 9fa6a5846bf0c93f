"""Batch Normalization of torch tensors on the CPU, by the kernels of `bn_reference.fast`.

Each function takes and returns what the operator does that it stands for. Memory is shared with
NumPy, not copied; float16 and bfloat16 are widened to float32 on the way in.
"""

import numpy as np
import torch
from torch import Tensor

from bn_reference.fast import transform
from bn_reference.fast.arrangement import view
from bn_reference.torch.operators import laid_out_like, widen

WORTH_A_KERNEL = 1 << 12
"""Values below which the kernels of the CPU gain nothing, and would be compiled for nothing."""

HUGE_BYTES = 1 << 25
"""From here on the C library hands out fresh memory at each call. NumPy asks for it in huge pages, torch in
small ones, whose first touch takes longer than the layer; below, torch gets back the memory it freed last."""


def supports(x: Tensor) -> bool:
    """Whether `x` is worth a kernel."""
    return x.numel() >= WORTH_A_KERNEL


def forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`bn_reference.torch.operators.normalize`: ``y, mean, residue, var``."""
    wide = laid_out_like(x, widen(x))
    y = _empty_like(wide)
    statistics = transform.normalize(
        view(wide.numpy()),
        view(y.numpy()),
        _parameter(weight, x, 1.0),
        _parameter(bias, x, 0.0),
        eps,
        torch.get_num_threads(),
    )
    mean = statistics.mean
    vectors = (_vector(value, mean.dtype) for value in (mean, statistics.residue, statistics.var))
    return y.to(x.dtype), *vectors


def backward(
    dout: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, residue: Tensor, var: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`bn_reference.torch.operators.normalize_backward`: ``dx, dweight, dbias``."""
    wide = laid_out_like(x, widen(x))
    dout = laid_out_like(x, dout.to(wide.dtype))
    dx = _empty_like(wide)
    statistics = transform.Statistics(mean.numpy(), _double(residue), _double(var), eps)
    vectors = transform.differentiate(
        view(dout.numpy()),
        view(wide.numpy()),
        view(dx.numpy()),
        _parameter(weight, x, 1.0),
        statistics,
        torch.get_num_threads(),
    )
    return dx.to(x.dtype), *(_vector(value, statistics.mean.dtype) for value in vectors)


def inference(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """`bn_reference.torch.operators.apply_statistics`."""
    wide = laid_out_like(x, widen(x))
    y = _empty_like(wide)
    transform.apply(
        view(wide.numpy()),
        view(y.numpy()),
        _parameter(weight, x, 1.0),
        _parameter(bias, x, 0.0),
        _double(mean),
        _double(var),
        eps,
        torch.get_num_threads(),
    )
    return y.to(x.dtype)


def _empty_like(wide):
    if wide.nbytes >= HUGE_BYTES:
        return torch.from_numpy(np.empty_like(wide.numpy()))
    return torch.empty_like(wide)


def _parameter(vector, x, default):
    return np.full(x.shape[1], default) if vector is None else _double(vector)


def _double(vector):
    return widen(vector).numpy().astype(np.float64)


def _vector(array, dtype):
    return torch.from_numpy(array.astype(dtype, copy=False))
