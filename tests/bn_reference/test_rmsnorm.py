import re

import numpy as np
import pytest
import torch

from bn_reference.layernorm import layernorm_forward
from bn_reference.normalization import center
from bn_reference.rmsnorm import rmsnorm_backward, rmsnorm_forward
from tests.bn_reference.batches import cotangent, random_batch, read_only
from tests.bn_reference.oracles import assert_complex_step, assert_same_as_torch
from tests.bn_reference.test_layernorm import in_both_precisions, over_every_shape, problem
from tests.tolerances import assert_close


@in_both_precisions
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@over_every_shape
def test_it_is_that_of_torch(shape, last, eps, dtype):
    x, gamma, _, dout = problem(shape, last, dtype)

    y, cache = rmsnorm_forward(x, gamma, eps)
    gradients = rmsnorm_backward(dout, cache)

    def of_torch(x, gamma):
        return torch.nn.functional.rms_norm(x, gamma.shape, gamma, eps)

    assert_same_as_torch(y, gradients, of_torch, [x, gamma], dout)


@pytest.mark.parametrize("eps", [0.0, 0.1])
@over_every_shape
def test_backward_is_the_complex_step_of_forward(shape, last, eps):
    x, gamma, _, dout = problem(shape, last)

    gradients = rmsnorm_backward(dout, rmsnorm_forward(x, gamma, eps)[1])

    assert_complex_step(gradients, lambda *a: rmsnorm_forward(*a, eps)[0], [x, gamma], dout)


def test_of_centred_examples_it_is_layer_normalization():
    x, gamma, _, _ = problem((6, 5), 1)
    _, centered = center(x, (1,))

    y, _ = rmsnorm_forward(centered, gamma)

    assert_close(y, layernorm_forward(x, gamma, np.zeros(5))[0], scale=1.0)


def test_the_mean_of_an_example_matters_and_its_scale_does_not():
    x, gamma, _, _ = problem((6, 5), 1)
    y, _ = rmsnorm_forward(x, gamma, eps=0.0)

    assert_close(rmsnorm_forward(7 * x, gamma, eps=0.0)[0], y)
    assert np.abs(rmsnorm_forward(x + 1, gamma, eps=0.0)[0] - y).max() > 0.1


def test_nothing_that_came_in_is_changed():
    x, gamma, _, dout = read_only(*problem((4, 3, 5), 2))

    rmsnorm_backward(dout, rmsnorm_forward(x, gamma)[1])


class TestErrors:
    def test_gamma_has_the_shape_of_the_last_axes(self):
        message = "gamma has shape (3,), expected (4,) to match the last axes of x with shape (8, 4)"

        with pytest.raises(ValueError, match=re.escape(message)):
            rmsnorm_forward(random_batch((8, 4)), np.ones(3))

    def test_integers_are_refused(self):
        with pytest.raises(TypeError, match=r"^x has dtype int64, expected a floating dtype"):
            rmsnorm_forward(np.ones((8, 4), dtype=np.int64), np.ones(4))

    def test_an_example_of_zeros_needs_eps(self):
        with pytest.raises(ValueError, match=r"eps is 0 and the values over axes \(1,\) have mean square 0"):
            rmsnorm_forward(np.zeros((2, 4)), np.ones(4), eps=0.0)

    def test_dout_has_the_shape_of_the_batch(self):
        _, cache = rmsnorm_forward(random_batch((8, 4)), np.ones(4))

        with pytest.raises(ValueError, match=re.escape("dout has shape (4, 8), expected (8, 4), the shape")):
            rmsnorm_backward(cotangent((4, 8)), cache)
