import re

import pytest
import torch

from bn_reference.ghost import (
    ghost_batchnorm_backward,
    ghost_batchnorm_forward,
    update_running_statistics_of_ghosts,
)
from bn_reference.torch.functional import batch_norm
from bn_reference.torch.ghost import ghost_batch_norm
from tests.bn_reference.batches import cotangent, random_batch, random_vectors
from tests.tolerances import assert_close

SHAPE = (6, 3, 2)


def problem(device="cpu", shape=SHAPE):
    arrays = random_batch(shape), *random_vectors(2, shape[1])
    return [torch.tensor(a, device=device, requires_grad=True) for a in arrays], cotangent(shape)


def test_it_is_that_of_the_arrays(device):
    leaves, dout = problem(device)
    running = [torch.zeros(3).to(leaves[0]), torch.ones(3).to(leaves[0])]
    x, gamma, beta = (leaf.detach().cpu().numpy() for leaf in leaves)
    expected_y, cache = ghost_batchnorm_forward(x, 2, gamma, beta)
    statistics = (v.cpu().numpy().copy() for v in running)
    expected_running = update_running_statistics_of_ghosts(*statistics, cache)

    y = ghost_batch_norm(leaves[0], 2, *running, *leaves[1:], training=True)
    gradients = torch.autograd.grad(y, leaves, torch.tensor(dout).to(y))

    expected = (expected_y, *ghost_batchnorm_backward(dout, cache), *expected_running)
    for ours, theirs in zip((y, *gradients, *running), expected, strict=True):
        assert_close(ours, theirs, condition=4, scale=1.0)


def test_first_and_second_derivatives():
    leaves, _ = problem(shape=(4, 2, 2))

    def function(x, weight, bias):
        return ghost_batch_norm(x, 2, None, None, weight, bias, training=True, eps=0.1)

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


def test_at_inference_it_is_batch_normalization():
    (x, weight, bias), _ = problem()
    running = weight.detach(), weight.detach() ** 2

    y = ghost_batch_norm(x, 5, *running, weight, bias)

    assert torch.equal(y, batch_norm(x, *running, weight, bias))


@pytest.mark.parametrize("ghost_size", [0, 4, 12])
def test_the_size_divides_the_examples(ghost_size):
    message = (
        f"ghost_size is {ghost_size}, expected a divisor of the 6 examples of input with shape (6, 3, 2)"
    )

    with pytest.raises(ValueError, match=re.escape(message)):
        ghost_batch_norm(torch.zeros(SHAPE), ghost_size, None, None, training=True)


@pytest.mark.parametrize("input", [torch.tensor(1), [[1.0]], torch.zeros(4, 3, dtype=torch.int64)], ids=repr)
def test_input_is_a_floating_tensor(input):
    with pytest.raises(TypeError, match=r"^input has .*, expected a floating-point torch.Tensor"):
        ghost_batch_norm(input, 1, None, None, training=True)
