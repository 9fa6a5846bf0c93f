import re

import numpy as np
import pytest
import torch

from bn_reference.batchnorm import batch_statistics, batchnorm_backward, batchnorm_forward
from bn_reference.batchrenorm import (
    batchrenorm_backward,
    batchrenorm_forward,
    batchrenorm_inference,
    update_running_mean_and_std,
)
from bn_reference.normalization import normalize
from tests.bn_reference.batches import cotangent, every_layout, random_batch, random_vectors, read_only
from tests.bn_reference.oracles import assert_complex_step, assert_same_as_torch
from tests.tolerances import assert_close

BOUNDS = {"as Batch Normalization": (1, 0), "one bound reached": (1.5, 0.5), "no bound reached": (1e3, 1e3)}
EPS = 0.1

in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
over_every_layout = pytest.mark.parametrize("shape", **every_layout)
with_every_bound = pytest.mark.parametrize(("r_max", "d_max"), BOUNDS.values(), ids=BOUNDS)


def problem(shape, dtype=np.float64):
    """A batch, gamma and beta; running statistics of which some are far from the batch's."""
    gamma, beta, running_mean = random_vectors(3, shape[1], dtype=dtype)
    running_std = np.linspace(0.5, 4.0, shape[1]).astype(dtype)
    arrays = [random_batch(shape, dtype=dtype), gamma, beta]
    return arrays, (running_mean, running_std), cotangent(shape, dtype=dtype)


def torch_batch_renorm(x, gamma, beta, running_mean, running_std, r_max, d_max):
    """Algorithm 1 of Ioffe 2017, line by line."""
    axes = (0, *range(2, x.ndim))

    def channel(v):
        return v.reshape(1, -1, *(1 for _ in axes[1:]))

    mean, std = x.mean(axes), torch.sqrt(x.var(axes, correction=0) + EPS)
    r = torch.clamp(std / running_std, 1 / r_max, r_max).detach()
    d = torch.clamp((mean - running_mean) / running_std, -d_max, d_max).detach()
    return channel(gamma) * ((x - channel(mean)) / channel(std) * channel(r) + channel(d)) + channel(beta)


@in_both_precisions
@with_every_bound
@over_every_layout
def test_it_is_algorithm_1_differentiated_by_torch(shape, r_max, d_max, dtype):
    arrays, running, dout = problem(shape, dtype)

    y, cache = batchrenorm_forward(*arrays, *running, r_max, d_max, EPS)
    gradients = batchrenorm_backward(dout, cache)

    def of_torch(*leaves):
        return torch_batch_renorm(*leaves, *map(torch.tensor, running), r_max, d_max)

    assert_same_as_torch(y, gradients, of_torch, arrays, dout, condition=4)


def test_backward_is_the_complex_step_with_r_and_d_held_fixed():
    (x, gamma, beta), running, dout = problem((4, 3, 2))
    _, cache = batchrenorm_forward(x, gamma, beta, *running, 1.5, 0.5, EPS)
    r, d = cache.r[:, None], cache.d[:, None]

    def forward(x, gamma, beta):
        return gamma[:, None] * (normalize(x, (0, 2), EPS).x_hat * r + d) + beta[:, None]

    assert_complex_step(batchrenorm_backward(dout, cache), forward, [x, gamma, beta], dout)


def test_within_its_bounds_training_gives_what_inference_gives():
    arrays, running, _ = problem((6, 3))

    y, _ = batchrenorm_forward(*arrays, *running, 1e3, 1e3, EPS)

    assert_close(y, batchrenorm_inference(*arrays, *running), scale=1.0)


def test_with_bounds_1_and_0_it_is_batch_normalization():
    arrays, running, dout = problem((6, 3))

    y, cache = batchrenorm_forward(*arrays, *running, 1, 0, EPS)

    expected_y, expected_cache = batchnorm_forward(*arrays, EPS)
    assert_close(y, expected_y)
    for ours, theirs in zip(
        batchrenorm_backward(dout, cache), batchnorm_backward(dout, expected_cache), strict=True
    ):
        assert_close(ours, theirs, scale=1.0)


def test_some_channels_reach_each_bound():
    arrays, running, _ = problem((6, 3))

    _, cache = batchrenorm_forward(*arrays, *running, 1.5, 0.5, EPS)

    assert {1.5, 1 / 1.5} & set(cache.r)
    assert {0.5, -0.5} & set(cache.d)


def test_running_statistics_move_by_the_weight_of_the_new_value():
    arrays, (running_mean, running_std), _ = problem((6, 3))
    _, cache = batchrenorm_forward(*arrays, running_mean, running_std, 3, 5, EPS)

    mean, std = update_running_mean_and_std(running_mean, running_std, cache.mean, cache.std, 0.25)

    batch_mean, batch_var = batch_statistics(arrays[0])
    assert_close(mean, 0.75 * running_mean + 0.25 * batch_mean, scale=1.0)
    assert_close(std, 0.75 * running_std + 0.25 * np.sqrt(batch_var + EPS))


def test_nothing_that_came_in_is_changed():
    arrays, running, dout = problem((6, 3))
    read_only(*arrays, *running, dout)

    _, cache = batchrenorm_forward(*arrays, *running, 3, 5)
    batchrenorm_backward(dout, cache)
    update_running_mean_and_std(*running, cache.mean, cache.std)


class TestErrors:
    def forward_with(self, r_max=3, d_max=5, **changed):
        vectors = dict.fromkeys(["gamma", "beta", "running_mean", "running_std"], np.ones(4))
        return batchrenorm_forward(random_batch((8, 4)), **{**vectors, **changed}, r_max=r_max, d_max=d_max)

    @pytest.mark.parametrize("r_max", [0.5, -1, np.nan])
    def test_r_max_is_at_least_1(self, r_max):
        with pytest.raises(ValueError, match=f"r_max is {r_max}, expected a number of at least 1"):
            self.forward_with(r_max=r_max)

    @pytest.mark.parametrize("d_max", [-0.5, np.nan])
    def test_d_max_is_at_least_0(self, d_max):
        with pytest.raises(ValueError, match=f"d_max is {d_max}, expected a number of at least 0"):
            self.forward_with(d_max=d_max)

    @pytest.mark.parametrize("name", ["gamma", "beta", "running_mean", "running_std"])
    def test_vectors_have_one_value_a_channel(self, name):
        with pytest.raises(ValueError, match=re.escape(f"{name} has shape (3,), expected (4,) to match")):
            self.forward_with(**{name: np.ones(3)})

    def test_the_running_deviation_is_above_zero(self):
        with pytest.raises(ValueError, match=r"running_std is 0.0 in channel 2, expected a number above"):
            self.forward_with(running_std=np.array([1.0, 1.0, 0.0, 1.0]))

    @pytest.mark.parametrize("momentum", [-0.1, 1.5, np.nan])
    def test_momentum_is_a_weight(self, momentum):
        with pytest.raises(ValueError, match=f"momentum is {momentum}, expected a weight between 0 and 1"):
            update_running_mean_and_std(*np.ones((4, 3)), momentum)

    def test_dout_has_the_shape_of_the_batch(self):
        with pytest.raises(ValueError, match=re.escape("dout has shape (4, 8), expected (8, 4), the shape")):
            batchrenorm_backward(np.zeros((4, 8)), self.forward_with()[1])
