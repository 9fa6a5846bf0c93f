import re

import numpy as np
import pytest
import torch

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.instancenorm import instancenorm_backward, instancenorm_forward
from tests.bn_reference.batches import random_batch, read_only
from tests.bn_reference.oracles import assert_complex_step, assert_same_as_torch
from tests.bn_reference.test_groupnorm import in_both_precisions, problem
from tests.tolerances import assert_close

over_every_layout = pytest.mark.parametrize("shape", [(3, 4, 5), (2, 6, 3, 2), (1, 4, 2, 3, 2)], ids=str)


@in_both_precisions
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@over_every_layout
def test_it_is_that_of_torch(shape, eps, dtype):
    x, gamma, beta, dout = problem(shape, dtype)

    y, cache = instancenorm_forward(x, gamma, beta, eps)
    gradients = instancenorm_backward(dout, cache)

    def of_torch(x, gamma, beta):
        return torch.nn.functional.instance_norm(x, weight=gamma, bias=beta, eps=eps)

    assert_same_as_torch(y, gradients, of_torch, [x, gamma, beta], dout, condition=4)


@over_every_layout
def test_backward_is_the_complex_step_of_forward(shape):
    *arrays, dout = problem(shape)

    gradients = instancenorm_backward(dout, instancenorm_forward(*arrays, 0.1)[1])

    assert_complex_step(gradients, lambda *a: instancenorm_forward(*a, 0.1)[0], arrays, dout)


def test_of_one_example_it_is_batch_normalization():
    x, gamma, beta, _ = problem((1, 4, 5))

    assert_close(instancenorm_forward(x, gamma, beta)[0], batchnorm_forward(x, gamma, beta)[0])


def test_nothing_that_came_in_is_changed():
    x, gamma, beta, dout = read_only(*problem((3, 4, 5)))

    instancenorm_backward(dout, instancenorm_forward(x, gamma, beta)[1])


class TestErrors:
    def test_a_batch_without_positions_is_refused(self):
        message = "x has shape (8, 4), expected (N, C, *spatial) with at least one spatial axis"

        with pytest.raises(ValueError, match=re.escape(message)):
            instancenorm_forward(random_batch((8, 4)), np.ones(4), np.ones(4))

    @pytest.mark.parametrize("name", ["gamma", "beta"])
    def test_vectors_have_one_value_a_channel(self, name):
        vectors = {"gamma": np.ones(4), "beta": np.ones(4), name: np.ones(3)}

        with pytest.raises(ValueError, match=re.escape(f"{name} has shape (3,), expected (4,) to match")):
            instancenorm_forward(random_batch((2, 4, 5)), **vectors)

    def test_dout_has_the_shape_of_the_batch(self):
        _, cache = instancenorm_forward(random_batch((2, 4, 3)), np.ones(4), np.ones(4))

        with pytest.raises(ValueError, match=re.escape("dout has shape (4, 2), expected (2, 4, 3)")):
            instancenorm_backward(np.zeros((4, 2)), cache)
