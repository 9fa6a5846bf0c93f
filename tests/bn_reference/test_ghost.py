import re

import numpy as np
import pytest
import torch

from bn_reference.batchnorm import batch_statistics, batchnorm_backward, batchnorm_forward
from bn_reference.ghost import (
    ghost_batchnorm_backward,
    ghost_batchnorm_forward,
    update_running_statistics_of_ghosts,
)
from tests.bn_reference.batches import cotangent, random_batch, random_vectors, read_only
from tests.bn_reference.oracles import assert_complex_step, assert_same_as_torch
from tests.tolerances import assert_close

SHAPES = [(6, 3), (6, 3, 4), (6, 2, 3, 2)]

in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
over_every_layout = pytest.mark.parametrize("shape", SHAPES, ids=str)


def problem(shape, dtype=np.float64):
    gamma, beta = random_vectors(2, shape[1], dtype=dtype)
    return random_batch(shape, dtype=dtype), gamma, beta, cotangent(shape, dtype=dtype)


@in_both_precisions
@pytest.mark.parametrize("ghost_size", [2, 3, 6])
@over_every_layout
def test_each_ghost_batch_is_batch_normalization_of_torch(shape, ghost_size, dtype):
    x, gamma, beta, dout = problem(shape, dtype)

    y, cache = ghost_batchnorm_forward(x, ghost_size, gamma, beta, eps=0.1)
    gradients = ghost_batchnorm_backward(dout, cache)

    def of_torch(x, gamma, beta):
        return torch.cat(
            [
                torch.nn.functional.batch_norm(g, None, None, gamma, beta, training=True, eps=0.1)
                for g in x.split(ghost_size)
            ]
        )

    assert_same_as_torch(y, gradients, of_torch, [x, gamma, beta], dout, condition=4)


@over_every_layout
def test_backward_is_the_complex_step_of_forward(shape):
    *arrays, dout = problem(shape)

    def forward(x, gamma, beta):
        return ghost_batchnorm_forward(x, 2, gamma, beta, eps=0.1)

    gradients = ghost_batchnorm_backward(dout, forward(*arrays)[1])

    assert_complex_step(gradients, lambda *a: forward(*a)[0], arrays, dout, condition=4)


def test_one_ghost_batch_is_batch_normalization():
    x, gamma, beta, dout = problem((6, 3, 4))

    y, cache = ghost_batchnorm_forward(x, 6, gamma, beta)
    gradients = ghost_batchnorm_backward(dout, cache)

    expected_y, expected_cache = batchnorm_forward(x, gamma, beta)
    assert_close(y, expected_y)
    for ours, expected in zip(gradients, batchnorm_backward(dout, expected_cache), strict=True):
        assert_close(ours, expected, scale=1.0)


class TestRunningStatistics:
    def test_the_cache_holds_the_statistics_of_each_ghost_batch(self):
        x, gamma, beta, _ = problem((6, 3, 4))

        _, cache = ghost_batchnorm_forward(x, 2, gamma, beta)

        assert cache.m == 8
        for i in range(3):
            mean, var = batch_statistics(x[2 * i : 2 * i + 2])
            assert_close(cache.mean[i], mean)
            assert_close(cache.var[i], var)

    def test_later_ghost_batches_weigh_more(self):
        x, gamma, beta, _ = problem((6, 3, 4))
        old_mean, old_var = random_vectors(2, 3, seed=7)
        _, cache = ghost_batchnorm_forward(x, 2, gamma, beta)

        mean, var = update_running_statistics_of_ghosts(old_mean, old_var, cache, momentum=0.25)

        weights = 0.25 * 0.75 ** np.array([2, 1, 0])
        assert_close(mean, 0.75**3 * old_mean + weights @ cache.mean, scale=1.0)
        assert_close(var, 0.75**3 * old_var + weights @ (cache.var * 8 / 7), scale=1.0)

    def test_a_ghost_batch_has_two_values_a_channel(self):
        _, cache = ghost_batchnorm_forward(random_batch((4, 2)), 1, np.ones(2), np.zeros(2))

        with pytest.raises(ValueError, match="m is 1, expected at least 2 values a channel"):
            update_running_statistics_of_ghosts(np.zeros(2), np.ones(2), cache)


def test_nothing_that_came_in_is_changed():
    x, gamma, beta, dout = read_only(*problem((6, 3, 4)))
    mean, var = read_only(np.zeros(3), np.ones(3))

    _, cache = ghost_batchnorm_forward(x, 2, gamma, beta)
    ghost_batchnorm_backward(dout, cache)
    update_running_statistics_of_ghosts(mean, var, cache)


class TestErrors:
    @pytest.mark.parametrize("ghost_size", [0, -2, 4, 12])
    def test_the_size_divides_the_examples(self, ghost_size):
        message = f"ghost_size is {ghost_size}, expected a divisor of the 6 examples of x with shape (6, 3)"

        with pytest.raises(ValueError, match=re.escape(message)):
            ghost_batchnorm_forward(random_batch((6, 3)), ghost_size, np.ones(3), np.ones(3))

    def test_a_ghost_batch_that_does_not_vary_needs_eps(self):
        x = random_batch((6, 3))
        x[2:4, 1] = 7.0

        with pytest.raises(
            ValueError, match=r"eps is 0 and the values over axes \(1,\) .* index \(1, 0, 1\)"
        ):
            ghost_batchnorm_forward(x, 2, np.ones(3), np.ones(3), eps=0.0)

    def test_dout_has_the_shape_of_the_batch(self):
        _, cache = ghost_batchnorm_forward(random_batch((6, 3)), 2, np.ones(3), np.ones(3))

        with pytest.raises(ValueError, match=re.escape("dout has shape (3, 6), expected (6, 3), the shape")):
            ghost_batchnorm_backward(np.zeros((3, 6)), cache)
