"""How do running statistics in bfloat16 round, here and in torch on the CPU?"""

import pytest
import torch

from bn_reference.torch.functional import batch_norm
from tests.bn_reference.batches import random_batch

MOMENTUM = 0.1
CHANNELS = 512


@pytest.fixture
def batch():
    return torch.tensor(random_batch((16, CHANNELS), offset=5.0)).bfloat16()


def moved(function, batch):
    """The running mean after one batch, from a first value that is not zero."""
    mean, var = torch.full((CHANNELS,), 0.7).bfloat16(), torch.ones(CHANNELS).bfloat16()
    weight, bias = torch.ones(CHANNELS).bfloat16(), torch.zeros(CHANNELS).bfloat16()
    function(batch, mean, var, weight, bias, training=True, momentum=MOMENTUM)
    return mean


def test_ours_round_once(batch):
    """Is the result the exact one, rounded?"""
    old = torch.tensor(0.7).bfloat16().float()
    exact = (1 - MOMENTUM) * old + MOMENTUM * batch.float().mean(0)

    assert torch.equal(moved(batch_norm, batch), exact.bfloat16())


def test_those_of_torch_round_every_product(batch):
    """Does the difference that the docstring of batch_norm states still exist?"""

    def rounded(value):
        return torch.as_tensor(value).bfloat16().float()

    old = rounded(0.7)
    added = rounded(rounded(MOMENTUM) * rounded(batch.float().mean(0)))
    kept = rounded(rounded(1 - MOMENTUM) * old)

    assert torch.equal(moved(torch.nn.functional.batch_norm, batch), (added + kept).bfloat16())
    assert not torch.equal(moved(batch_norm, batch), (added + kept).bfloat16())
