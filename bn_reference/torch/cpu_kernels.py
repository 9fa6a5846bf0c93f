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
    array = laid_out_like(x, widen(x)).numpy()
    y = _empty_like(array)
    statistics = transform.normalize(
        view(array),
        view(y),
        _parameter(weight, x, 1.0),
        _parameter(bias, x, 0.0),
        eps,
        torch.get_num_threads(),
    )
    vectors = statistics.mean, statistics.residue, statistics.var
    y, *vectors = (torch.from_numpy(value) for value in (y, *vectors))
    return y.to(x.dtype), *(vector.to(vectors[0].dtype) for vector in vectors)


def backward(
    dout: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, residue: Tensor, var: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`bn_reference.torch.operators.normalize_backward`: ``dx, dweight, dbias``."""
    dout, array = (laid_out_like(x, value.to(mean.dtype)).numpy() for value in (dout, x))
    dx = _empty_like(array)
    statistics = transform.Statistics(mean.numpy(), residue.double().numpy(), var.double().numpy(), eps)
    dweight, dbias = transform.differentiate(
        view(dout), view(array), view(dx), _parameter(weight, x, 1.0), statistics, torch.get_num_threads()
    )
    dx, dweight, dbias = (torch.from_numpy(value) for value in (dx, dweight, dbias))
    return dx.to(x.dtype), dweight.to(mean.dtype), dbias.to(mean.dtype)


def inference(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """`bn_reference.torch.operators.apply_statistics`."""
    array = laid_out_like(x, widen(x)).numpy()
    y = _empty_like(array)
    vectors = (
        _parameter(weight, x, 1.0),
        _parameter(bias, x, 0.0),
        mean.double().numpy(),
        var.double().numpy(),
    )
    transform.apply(view(array), view(y), *vectors, eps, torch.get_num_threads())
    return torch.from_numpy(y).to(x.dtype)


def _empty_like(array):
    if array.nbytes >= HUGE_BYTES:
        return np.empty_like(array)
    return torch.empty_like(torch.from_numpy(array)).numpy()


def _parameter(vector, x, default):
    return np.full(x.shape[1], default) if vector is None else vector.double().numpy()
