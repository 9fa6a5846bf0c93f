"""Each error says what was wrong, what came and what was expected."""

import re

import numpy as np
import pytest

from bn_reference.batchnorm import (
    batch_statistics,
    batchnorm_backward,
    batchnorm_backward_staged,
    batchnorm_forward,
    batchnorm_inference,
    update_running_statistics,
)
from tests.bn_reference.batches import random_batch

X, VECTOR = np.zeros((8, 4)), np.ones(4)
INTEGERS = np.zeros((8, 4), dtype=np.int64)
INTEGER_VECTOR = np.ones(4, dtype=np.int64)
SHORT = np.ones(3)
CONSTANT = np.concatenate([random_batch((8, 2)), np.full((8, 2), 7.0)], axis=1)

CHANNELS = "expected (4,) to match the 4 channels of x with shape (8, 4)"
FLOATING = "expected a floating dtype such as float64"
LIKE_RUNNING_MEAN = "expected (4,), the shape of running_mean"


def forward_with(x=X, gamma=VECTOR, beta=VECTOR, eps=1e-5):
    return batchnorm_forward(x, gamma, beta, eps)


def inference_with(x=X, gamma=VECTOR, beta=VECTOR, running_mean=VECTOR, running_var=VECTOR, eps=1e-5):
    return batchnorm_inference(x, gamma, beta, running_mean, running_var, eps)


def update_with(running_mean=VECTOR, running_var=VECTOR, mean=VECTOR, var=VECTOR, m=8, momentum=0.1):
    return update_running_statistics(running_mean, running_var, mean, var, m, momentum)


def backward_with(dout):
    return batchnorm_backward(dout, forward_with()[1])


def staged_with(dout):
    return batchnorm_backward_staged(dout, forward_with()[1])


@pytest.mark.parametrize(
    ("function", "name"),
    [
        *((batch_statistics, name) for name in ("x",)),
        *((forward_with, name) for name in ("x", "gamma", "beta")),
        *((inference_with, name) for name in ("x", "gamma", "beta", "running_mean", "running_var")),
        *((update_with, name) for name in ("running_mean", "running_var", "mean", "var")),
        *((backward, "dout") for backward in (backward_with, staged_with)),
    ],
)
def test_integers_are_refused(function, name):
    integers = INTEGERS if name in ("x", "dout") else INTEGER_VECTOR

    with pytest.raises(TypeError, match=f"^{name} has dtype int64, {FLOATING}"):
        function(**{name: integers})


@pytest.mark.parametrize("function", [batch_statistics, forward_with, inference_with])
def test_a_batch_without_a_channel_axis_is_refused(function):
    message = "x has shape (8,), expected (N, C) or (N, C, *spatial)"

    with pytest.raises(ValueError, match=re.escape(message)):
        function(x=np.zeros(8))


@pytest.mark.parametrize("function", [batch_statistics, forward_with, inference_with])
def test_an_empty_batch_is_refused(function):
    message = "x has shape (0, 4), expected at least one value in each axis"

    with pytest.raises(ValueError, match=re.escape(message)):
        function(x=np.zeros((0, 4)))


@pytest.mark.parametrize(
    ("function", "name", "expected"),
    [
        *((forward_with, name, CHANNELS) for name in ("gamma", "beta")),
        *((inference_with, name, CHANNELS) for name in ("gamma", "beta", "running_mean", "running_var")),
        *((update_with, name, LIKE_RUNNING_MEAN) for name in ("running_var", "mean", "var")),
    ],
)
def test_vectors_of_another_length_are_refused(function, name, expected):
    with pytest.raises(ValueError, match=re.escape(f"{name} has shape (3,), {expected}")):
        function(**{name: SHORT})


@pytest.mark.parametrize("backward", [backward_with, staged_with])
def test_dout_of_another_shape_is_refused(backward):
    message = "dout has shape (4, 8), expected (8, 4), the shape of the batch that went forward"

    with pytest.raises(ValueError, match=re.escape(message)):
        backward(X.T)


@pytest.mark.parametrize("eps", [-1e-5, np.inf, np.nan])
@pytest.mark.parametrize("function", [forward_with, inference_with])
def test_eps_must_be_finite_and_not_negative(function, eps):
    with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
        function(eps=eps)


@pytest.mark.parametrize(
    "call",
    [
        lambda: forward_with(x=CONSTANT, eps=0.0),
        lambda: inference_with(running_var=np.array([1.0, 2.0, 0.0, 0.0]), eps=0.0),
    ],
    ids=["forward", "inference"],
)
def test_variance_zero_needs_eps(call):
    with pytest.raises(ValueError, match=r"eps is 0 and channel 2 has variance 0, .*; expected eps"):
        call()


@pytest.mark.parametrize("m", [0, 1])
def test_the_unbiased_variance_needs_two_values(m):
    with pytest.raises(ValueError, match=f"m is {m}, expected at least 2 values a channel"):
        update_with(m=m)


@pytest.mark.parametrize("momentum", [-0.1, 1.5, np.nan])
def test_momentum_is_a_weight(momentum):
    with pytest.raises(ValueError, match=f"momentum is {momentum}, expected a weight between 0 and 1"):
        update_with(momentum=momentum)
