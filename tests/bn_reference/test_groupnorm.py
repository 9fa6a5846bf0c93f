import re

import numpy as np
import pytest
import torch

from bn_reference.groupnorm import groupnorm_backward, groupnorm_forward
from bn_reference.instancenorm import instancenorm_forward
from bn_reference.layernorm import layernorm_forward
from tests.bn_reference.batches import cotangent, every_memory_layout, random_batch, random_vectors, read_only
from tests.bn_reference.oracles import assert_complex_step, assert_same_as_torch
from tests.tolerances import assert_close

SHAPES = [(5, 4), (3, 4, 5), (2, 6, 3, 2), (1, 4, 2, 3, 2)]

in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
over_every_layout = pytest.mark.parametrize("shape", SHAPES, ids=str)


def problem(shape, dtype=np.float64):
    return (
        random_batch(shape, dtype=dtype),
        *random_vectors(2, shape[1], dtype=dtype),
        cotangent(shape, dtype=dtype),
    )


@in_both_precisions
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@pytest.mark.parametrize("groups", [1, 2])
@over_every_layout
def test_it_is_that_of_torch(shape, groups, eps, dtype):
    x, gamma, beta, dout = problem(shape, dtype)

    y, cache = groupnorm_forward(x, groups, gamma, beta, eps)
    gradients = groupnorm_backward(dout, cache)

    def of_torch(x, gamma, beta):
        return torch.nn.functional.group_norm(x, groups, gamma, beta, eps)

    # A group of two values that lie close together magnifies the rounding of float32.
    assert_same_as_torch(y, gradients, of_torch, [x, gamma, beta], dout, condition=64)


@pytest.mark.parametrize("groups", [1, 2])
@over_every_layout
def test_backward_is_the_complex_step_of_forward(shape, groups):
    *arrays, dout = problem(shape)

    def forward(x, gamma, beta):
        return groupnorm_forward(x, groups, gamma, beta, eps=0.1)

    gradients = groupnorm_backward(dout, forward(*arrays)[1])

    assert_complex_step(gradients, lambda *a: forward(*a)[0], arrays, dout, condition=4)


def test_one_group_is_layer_normalization_over_all_but_the_first_axis():
    x, gamma, beta, _ = problem((3, 4, 5))
    wide_gamma, wide_beta = (np.repeat(v[:, None], 5, axis=1) for v in (gamma, beta))

    y, _ = groupnorm_forward(x, 1, gamma, beta)

    assert_close(y, layernorm_forward(x, wide_gamma, wide_beta)[0])


def test_a_group_for_each_channel_is_instance_normalization():
    x, gamma, beta, _ = problem((3, 4, 5))

    y, _ = groupnorm_forward(x, 4, gamma, beta)

    assert_close(y, instancenorm_forward(x, gamma, beta)[0])


@pytest.mark.parametrize("lay_out", **every_memory_layout)
def test_strides_do_not_matter(lay_out):
    x, gamma, beta, dout = problem((2, 6, 3, 2))
    y, cache = groupnorm_forward(x, 3, gamma, beta)

    laid_out_y, laid_out_cache = groupnorm_forward(lay_out(x), 3, gamma, beta)

    assert_close(laid_out_y, y)
    for ours, expected in zip(
        groupnorm_backward(lay_out(dout), laid_out_cache), groupnorm_backward(dout, cache), strict=True
    ):
        assert_close(ours, expected, scale=1.0)


def test_nothing_that_came_in_is_changed():
    x, gamma, beta, dout = read_only(*problem((3, 4, 5)))

    groupnorm_backward(dout, groupnorm_forward(x, 2, gamma, beta)[1])


class TestErrors:
    @pytest.mark.parametrize("groups", [0, -2, 3, 8])
    def test_groups_divide_the_channels(self, groups):
        message = f"groups is {groups}, expected a divisor of the 4 channels of x with shape (2, 4)"

        with pytest.raises(ValueError, match=re.escape(message)):
            groupnorm_forward(random_batch((2, 4)), groups, np.ones(4), np.ones(4))

    @pytest.mark.parametrize("name", ["gamma", "beta"])
    def test_vectors_have_one_value_a_channel(self, name):
        vectors = {"gamma": np.ones(4), "beta": np.ones(4), name: np.ones(3)}
        message = f"{name} has shape (3,), expected (4,) to match the 4 channels of x with shape (2, 4)"

        with pytest.raises(ValueError, match=re.escape(message)):
            groupnorm_forward(random_batch((2, 4)), 2, **vectors)

    def test_a_group_that_does_not_vary_needs_eps(self):
        with pytest.raises(ValueError, match="eps is 0 and the values over axes"):
            groupnorm_forward(random_batch((2, 4)), 4, np.ones(4), np.ones(4), eps=0.0)

    def test_dout_has_the_shape_of_the_batch(self):
        _, cache = groupnorm_forward(random_batch((2, 4)), 2, np.ones(4), np.ones(4))

        with pytest.raises(ValueError, match=re.escape("dout has shape (4, 2), expected (2, 4), the shape")):
            groupnorm_backward(np.zeros((4, 2)), cache)
