import re

import pytest
import torch

from bn_reference.batchrenorm import (
    batchrenorm_backward,
    batchrenorm_forward,
    batchrenorm_inference,
    update_running_mean_and_std,
)
from bn_reference.torch.batchrenorm import batch_renorm
from tests.bn_reference.batches import every_layout
from tests.bn_reference.test_batchrenorm import EPS, problem, with_every_bound
from tests.tolerances import assert_close


def tensors(shape, device="cpu"):
    arrays, running, dout = problem(shape)
    leaves = [torch.tensor(a, device=device, requires_grad=True) for a in arrays]
    return leaves, [torch.tensor(v, device=device) for v in running], torch.tensor(dout, device=device)


@with_every_bound
@pytest.mark.parametrize("shape", **every_layout)
def test_it_is_that_of_the_arrays(shape, r_max, d_max, device):
    (x, weight, bias), running, dout = tensors(shape, device)
    arrays, old, _ = problem(shape)
    expected_y, cache = batchrenorm_forward(*arrays, *old, r_max, d_max, EPS)

    y = batch_renorm(x, *running, r_max, d_max, weight, bias, training=True, momentum=0.3, eps=EPS)
    gradients = torch.autograd.grad(y, (x, weight, bias), dout)

    new = update_running_mean_and_std(*old, cache.mean, cache.std, 0.3)
    expected = (expected_y, *batchrenorm_backward(cotangent_of(dout), cache), *new)
    for ours, theirs in zip((y, *gradients, *running), expected, strict=True):
        assert_close(ours, theirs, condition=4, scale=1.0)


def cotangent_of(dout):
    return dout.cpu().numpy()


@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_a_large_mean_costs_no_digits(offset, device):
    (x, weight, bias), (mean, std), dout = tensors((16, 3), device)
    wide = [x.detach() + offset, weight.detach(), bias.detach(), mean + offset, std]
    x, weight, bias, mean, std = (tensor.float().requires_grad_() for tensor in wide)
    old = [tensor.detach().cpu().double().numpy() for tensor in (mean, std)]
    arrays = [tensor.detach().cpu().double().numpy() for tensor in (x, weight, bias)]

    running = mean.detach(), std.detach()
    y = batch_renorm(x, *running, 3, 5, weight, bias, training=True, eps=EPS)
    (dx,) = torch.autograd.grad(y, x, dout.to(y))

    expected_y, cache = batchrenorm_forward(*arrays, *old, 3, 5, EPS)
    assert_close(y, expected_y, condition=4, scale=1.0)
    assert_close(dx, batchrenorm_backward(cotangent_of(dout), cache)[0], condition=4, scale=1.0)


def test_inference_is_that_of_the_arrays(device):
    (x, weight, bias), running, _ = tensors((4, 3, 2), device)
    arrays, old, _ = problem((4, 3, 2))

    y = batch_renorm(x, *running, 3, 5, weight, bias)

    assert_close(y, batchrenorm_inference(*arrays, *old), scale=1.0)


def test_first_and_second_derivatives_with_the_statistics_of_batch_normalization():
    leaves, running, _ = tensors((3, 2, 2))

    # With these bounds r and d do not depend on the batch, so that differences see them fixed too.
    def function(x, weight, bias):
        copies = (v.clone() for v in running)
        return batch_renorm(x, *copies, 1, 0, weight, bias, training=True, eps=EPS)

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


@pytest.mark.parametrize("name", ["running_mean", "running_std", "weight", "bias"])
def test_vectors_have_one_value_a_channel(name):
    vectors = {"running_mean": torch.ones(3), "running_std": torch.ones(3), name: torch.ones(4)}

    with pytest.raises(ValueError, match=re.escape(f"{name} has shape (4,), expected (3,) to match the")):
        batch_renorm(torch.zeros(5, 3), **vectors, r_max=3, d_max=5)


def test_input_is_a_floating_tensor():
    with pytest.raises(TypeError, match=r"^input has dtype torch.int64, expected a floating-point"):
        batch_renorm(torch.zeros(5, 3, dtype=torch.int64), torch.ones(3), torch.ones(3), 3, 5)


def test_the_bounds_leave_room():
    with pytest.raises(ValueError, match=r"r_max is 0.5, expected a number of at least 1"):
        batch_renorm(torch.zeros(5, 3), torch.ones(3), torch.ones(3), 0.5, 5, training=True)
