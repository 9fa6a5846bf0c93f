"""What a hand-written backward pass is compared with: torch, and the complex step."""

import torch

from bn_reference.gradcheck import complex_step
from tests.tolerances import assert_close


def torch_gradients(function, arrays, dout):
    """Output of a torch function of `arrays`, and the gradient of ``sum(y * dout)`` for each."""
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = function(*leaves)
    return y, torch.autograd.grad(y, leaves, torch.tensor(dout))


def assert_same_as_torch(y, gradients, function, arrays, dout, condition=1.0):
    """Fail unless output and gradients, with their dtypes, are those of a torch function."""
    expected_y, expected = torch_gradients(function, arrays, dout)
    assert y.dtype == arrays[0].dtype
    assert_close(y, expected_y, condition=condition, scale=1.0)
    for ours, theirs, array in zip(gradients, expected, arrays, strict=True):
        assert ours.dtype == array.dtype
        assert_close(ours, theirs, condition=condition, scale=1.0)


def assert_complex_step(gradients, forward, arrays, dout, condition=1.0):
    """Fail unless each gradient is the complex step of ``forward(*arrays)``."""
    for i, gradient in enumerate(gradients):

        def of_one(value, i=i):
            return forward(*arrays[:i], value, *arrays[i + 1 :])

        expected = complex_step(of_one, arrays[i], dout)
        assert_close(gradient, expected, condition=condition, scale=1.0)
