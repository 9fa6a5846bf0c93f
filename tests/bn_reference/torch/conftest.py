"""The devices that the torch tests run on."""

import os

import pytest
import torch

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


@pytest.fixture(params=["cpu", cuda])
def device(request):
    return request.param
