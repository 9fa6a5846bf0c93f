"""What the torch tests share: a problem with every tensor that batch_norm takes, and its derivatives."""

import torch

from tests.bn_reference.batches import cotangent, random_batch, random_vectors
from tests.tolerances import assert_close


def problem(shape, dtype, device, present=(True, True), parameter_dtype=None):
    """A batch, its weight and bias as leaves, fresh running statistics, and a cotangent."""
    parameter_dtype = parameter_dtype or dtype
    x = torch.tensor(random_batch(shape), dtype=dtype, device=device, requires_grad=True)
    vectors = [torch.tensor(v, dtype=parameter_dtype, device=device) for v in random_vectors(3, shape[1])]
    weight, bias = (v.requires_grad_() if there else None for v, there in zip(vectors, present, strict=False))
    return x, weight, bias, (vectors[2], vectors[2] ** 2), torch.tensor(cotangent(shape)).to(x)


def run(function, x, weight, bias, running, dout, **options):
    """Output, gradients of every leaf, and the running statistics afterwards."""
    running = tuple(None if v is None else v.clone() for v in running)
    y = function(x, *running, weight, bias, **options)
    leaves = [leaf for leaf in (x, weight, bias) if leaf is not None]
    return y, torch.autograd.grad(y, leaves, dout), running


def assert_same(ours, theirs):
    """Outputs, gradients and statistics, each with dtype and device."""
    (y, gradients, running), (expected_y, expected_gradients, expected_running) = ours, theirs
    pairs = [(y, expected_y), *zip(gradients, expected_gradients, strict=True)]
    pairs += [pair for pair in zip(running, expected_running, strict=True) if pair[0] is not None]
    for actual, expected in pairs:
        assert (actual.dtype, actual.device) == (expected.dtype, expected.device)
        assert_close(actual, expected, scale=1.0)
