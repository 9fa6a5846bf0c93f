"""Each convention that the package states, by numbers that a reader can check in the head.

They are asked of the NumPy functions, of ours for torch, and of torch itself.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch

import bn_reference.torch
from bn_reference.batchnorm import batch_statistics, batchnorm_forward, update_running_statistics
from bn_reference.layouts import per_channel, reduction_axes
from tests.bn_reference.batches import random_batch
from tests.tolerances import assert_close

LAYOUTS = {"N,C": (5, 3), "N,C,L": (5, 3, 4), "N,C,H,W": (5, 3, 4, 2), "N,C,D,H,W": (5, 3, 2, 2, 3)}
LAYERS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}

NEGLIGIBLE = 1e-30
"""An eps that changes nothing; torch refuses 0."""

TWO_VALUES = np.array([[4.0], [6.0]])
"""One channel: mean 5, biased variance 1, unbiased variance 2."""


def by_numpy(x, momentum=0.1, eps=1e-5):
    """A training step from running mean 0 and running variance 1: ``(y, mean, var)``."""
    one, zero = np.ones(x.shape[1]), np.zeros(x.shape[1])
    y, _ = batchnorm_forward(x, one, zero, eps)
    m = x.size // x.shape[1]
    return y, *update_running_statistics(zero, one, *batch_statistics(x), m, momentum)


def by_function(batch_norm):
    def train(x, momentum=0.1, eps=1e-5):
        mean, var = torch.zeros(x.shape[1], dtype=torch.double), torch.ones(x.shape[1], dtype=torch.double)
        y = batch_norm(torch.tensor(x), mean, var, training=True, momentum=momentum, eps=eps)
        return y.numpy(), mean.numpy(), var.numpy()

    return train


def by_layer(layers):
    def train(x, momentum=0.1, eps=1e-5):
        layer = getattr(layers, LAYERS[x.ndim])(x.shape[1], eps, momentum, dtype=torch.double)
        y = layer(torch.tensor(x)).detach()
        return y.numpy(), layer.running_mean.numpy(), layer.running_var.numpy()

    return train


IMPLEMENTATIONS = {
    "NumPy": by_numpy,
    "function": by_function(bn_reference.torch.functional.batch_norm),
    "layer": by_layer(bn_reference.torch),
    "torch function": by_function(torch.nn.functional.batch_norm),
    "torch layer": by_layer(torch.nn),
}

everywhere = pytest.mark.parametrize("train", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)


@everywhere
@pytest.mark.parametrize("shape", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_every_channel_is_normalised_over_all_other_axes(train, shape):
    x, axes = random_batch(shape), reduction_axes(len(shape))

    y, running_mean, running_var = train(x, momentum=1.0, eps=NEGLIGIBLE)

    assert axes == tuple(axis for axis in range(len(shape)) if axis != 1)
    mean, std = x.mean(axes), x.std(axes)
    assert_close(y, (x - per_channel(mean, x.ndim)) / per_channel(std, x.ndim), scale=4.0)
    assert_close(running_mean, mean, scale=4.0)
    assert_close(running_var, x.var(axes, ddof=1), scale=4.0)


@everywhere
def test_batch_variance_the_one_that_normalises_is_biased(train):
    y, _, _ = train(TWO_VALUES, eps=NEGLIGIBLE)

    assert_close(y, [[-1.0], [1.0]])


@everywhere
def test_running_variance_takes_the_unbiased_one(train):
    _, _, running_var = train(TWO_VALUES, momentum=1.0)

    assert_close(running_var, [2.0])


@everywhere
def test_momentum_weighs_the_new_value(train):
    _, running_mean, running_var = train(TWO_VALUES, momentum=0.25)

    assert_close(running_mean, [0.75 * 0 + 0.25 * 5])
    assert_close(running_var, [0.75 * 1 + 0.25 * 2])


@everywhere
def test_eps_is_inside_the_square_root(train):
    y, _, _ = train(TWO_VALUES, eps=3.0)

    assert_close(y, [[-0.5], [0.5]])


@everywhere
@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1)], ids=str)
def test_one_value_a_channel_cannot_train(train, shape):
    with pytest.raises(ValueError, match=r"xpected (more than 1 value per|at least 2 values a) channel"):
        train(np.zeros(shape))


def test_one_value_a_channel_can_be_transformed_in_numpy():
    _, cache = batchnorm_forward(np.array([[7.0, -1e9]]), np.ones(2), np.zeros(2))

    assert cache.x_hat.tolist() == [[0.0, 0.0]]


def test_the_numpy_modules_do_not_import_torch():
    modules = "layouts, whitening, batchnorm, gradcheck"
    code = f"import sys; from bn_reference import {modules}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
