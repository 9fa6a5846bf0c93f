"""The devices that the torch tests run on."""

import os

import pytest
import torch

from bn_reference.torch import cpu_kernels

if not torch.cuda.is_available():
    # Triton's kernels then run in its interpreter, on the CPU. Triton reads this when it is first
    # imported, which torch.compile does too: so it is set here, before any test runs.
    os.environ.setdefault("TRITON_INTERPRET", "1")

cuda = pytest.param(
    "cuda",
    marks=[
        pytest.mark.cuda,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
    ],
)


@pytest.fixture(params=["cpu", "kernels of the cpu", cuda])
def device(request, monkeypatch):
    """Where tensors live; small batches on the CPU are tried in both of its ways."""
    if request.param == "kernels of the cpu":
        monkeypatch.setattr(cpu_kernels, "WORTH_A_KERNEL", 0)
    return request.param.split()[-1]


@pytest.fixture
def kernels_for_every_size(monkeypatch):
    """The kernels of the CPU, also for batches so small that the formulas do as well."""
    monkeypatch.setattr(cpu_kernels, "WORTH_A_KERNEL", 0)


@pytest.fixture(params=["kernels", "formulas"])
def kernels_or_formulas(request, monkeypatch):
    """Both ways of the CPU, whatever the size of the batch."""
    monkeypatch.setattr(cpu_kernels, "WORTH_A_KERNEL", 0 if request.param == "kernels" else 1 << 62)
