"""Measure the rounding error of Batch Normalization, beside torch's own kernel, on kind and cruel inputs.

The oracle is `bn_reference.batchnorm` in higher precision: float64 for float32, and the
machine's long double for float64. An error is given in units in the last place of the largest
value of its channel, so that an entry near zero does not count as wholly wrong.

Usage: ``python benchmarks/accuracy.py``. Prints a table and writes
``benchmarks/results/accuracy.json``.
"""

from collections.abc import Callable

import numpy as np
import result_files
import torch
from tabulate import tabulate

import bn_reference.torch
from bn_reference import batchnorm, fast
from bn_reference.fast import numba_kernels, numpy_kernels
from bn_reference.layouts import reduction_axes

SHAPE = (64, 8, 16, 16)
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
EPS = 1e-5

Method = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def inputs(dtype: type) -> dict[str, np.ndarray]:
    """Batches that are kind, and batches that break careless sums."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(SHAPE)
    return {
        "mean 0, variance 1": normal.astype(dtype),
        "mean 1e4, variance 1": (normal + 1e4).astype(dtype),
        "mean 1e6, variance 1": (normal + 1e6).astype(dtype),
        "variance 1e-20": (normal * 1e-10).astype(dtype) + dtype(0 if dtype == np.float32 else 1),
        "two examples": (normal[:2, :, :1, :1] + 3).astype(dtype),
        "denormal": (normal * np.finfo(dtype).tiny / 4).astype(dtype),
        "channels last": np.moveaxis(np.ascontiguousarray(np.moveaxis(normal + 1, 1, -1)), -1, 1).astype(
            dtype
        ),
    }


def with_torch(function) -> Method:
    """A method from a function with the signature of ``torch.nn.functional.batch_norm``."""

    def method(x, dout, gamma, beta):
        tensor, weight, bias = (torch.from_numpy(a).requires_grad_() for a in (x, gamma, beta))
        y = function(tensor, None, None, weight, bias, True, 0.1, EPS)
        (dx,) = torch.autograd.grad(y, tensor, torch.from_numpy(dout))
        return y.detach().numpy(), dx.numpy()

    return method


def with_fast(kernels) -> Method:
    """A method from one set of kernels."""

    def method(x, dout, gamma, beta):
        y, statistics = fast.batchnorm_forward(x, gamma, beta, EPS, kernels=kernels)
        return y, fast.batchnorm_backward(dout, x, gamma, statistics, kernels=kernels)[0]

    return method


def readable(x, dout, gamma, beta):
    """The reference, in the precision of `x`; the oracle, if that is higher."""
    y, cache = batchnorm.batchnorm_forward(x, gamma, beta, EPS)
    return y, batchnorm.batchnorm_backward(dout, cache)[0]


METHODS: dict[str, Method] = {
    "torch native": with_torch(torch.nn.functional.batch_norm),
    "bn_reference.torch": with_torch(bn_reference.torch.functional.batch_norm),
    "readable NumPy": readable,
    "fast, NumPy": with_fast(numpy_kernels),
    "fast, Numba": with_fast(numba_kernels),
}


def error_in_ulps(actual: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Errors in units in the last place of each channel's largest value."""
    largest = np.abs(exact).max(axis=reduction_axes(exact.ndim), keepdims=True)
    unit = np.spacing(largest.astype(actual.dtype)).astype(exact.dtype)
    return np.abs(actual - exact) / unit


def measure() -> list[dict]:
    """One record for each dtype, input, method and result."""
    records = []
    for dtype, wider in WIDER.items():
        for name, x in inputs(dtype).items():
            rng = np.random.default_rng(1)
            dout = np.empty_like(x)
            dout[...] = rng.standard_normal(x.shape)
            gamma, beta = (rng.standard_normal(x.shape[1]).astype(dtype) for _ in range(2))
            oracle = readable(*(array.astype(wider) for array in (x, dout, gamma, beta)))
            for method, function in METHODS.items():
                for result, actual, exact in zip(
                    ("y", "dx"), function(x, dout, gamma, beta), oracle, strict=True
                ):
                    error = error_in_ulps(actual, exact)
                    records.append(
                        {
                            "dtype": dtype.__name__,
                            "input": name,
                            "result": result,
                            "method": method,
                            "largest": float(error.max()),
                            "mean": float(error.mean()),
                        }
                    )
    return records


def main() -> None:
    """Run the command."""
    records = measure()
    rows: dict[tuple, dict[str, str]] = {}
    for record in records:
        key = (record["dtype"], record["input"], record["result"])
        row = rows.setdefault(key, dict(zip(("dtype", "input", ""), key, strict=True)))
        row[record["method"]] = f"{record['largest']:.3g} / {record['mean']:.2g}"
    print("Largest and mean error, in units in the last place of the channel's largest value.")
    print(tabulate(list(rows.values()), headers="keys", disable_numparse=True))
    result_files.write("accuracy", ("numpy", "torch", "numba"), {"records": records})


if __name__ == "__main__":
    main()
