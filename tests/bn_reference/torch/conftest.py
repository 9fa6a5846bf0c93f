"""The devices that the torch tests run on."""

import pytest
import torch

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
