"""The backward pass, node by node, against derivatives of the forward graph.

The cotangent is random throughout: under ``sum(y)`` every ``dx`` is zero, and a test would
compare rounding residue.
"""

from dataclasses import astuple, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bn_reference.batchnorm import (
    StagedGradients,
    batchnorm_backward,
    batchnorm_backward_staged,
    batchnorm_forward,
    batchnorm_inference,
)
from bn_reference.gradcheck import central_difference, complex_step
from bn_reference.layouts import per_channel, reduction_axes
from tests.bn_reference.batches import batches, cotangent, every_layout, random_batch, random_vectors
from tests.tolerances import assert_close

over_every_layout = pytest.mark.parametrize("shape", **every_layout)


def graph_from_each_node(x, gamma, beta, eps):
    """For each node: its value, and the rest of the graph as a function of it alone.

    Whatever the rest of the graph takes from elsewhere keeps the value of the forward pass.
    """

    def channel(vector):
        return per_channel(vector, x.ndim)

    def from_x_hat(x_hat):
        return channel(gamma) * x_hat + channel(beta)

    def from_std(std):
        return from_x_hat(centered / channel(std))

    def from_var(var):
        return from_std(np.sqrt(var + eps))

    def from_squared(squared):
        return from_var(squared.mean(axes))

    def from_centered(centered):
        std = np.sqrt((centered**2).mean(axes) + eps)
        return from_x_hat(centered / channel(std))

    def from_mean(mean):
        return from_centered(x - channel(mean))

    def from_x(x):
        return from_centered(x - channel(x.mean(axes)))

    axes = reduction_axes(x.ndim)
    mean = x.mean(axes)
    centered = x - channel(mean)
    var = (centered**2).mean(axes)
    std = np.sqrt(var + eps)
    x_hat = centered / channel(std)
    return {
        "dbeta": (beta, lambda beta: channel(gamma) * x_hat + channel(beta)),
        "dgamma": (gamma, lambda gamma: channel(gamma) * x_hat + channel(beta)),
        "dx_hat": (x_hat, from_x_hat),
        "dstd": (std, from_std),
        "dvar": (var, from_var),
        "dsquared": (centered**2, from_squared),
        "dcentered": (centered, from_centered),
        "dmean": (mean, from_mean),
        "dx": (x, from_x),
    }


def forward_in(argument, x, gamma, beta, eps):
    """`batchnorm_forward` as a function of one of its arguments."""
    values = {"x": x, "gamma": gamma, "beta": beta}
    return lambda value: batchnorm_forward(**{**values, argument: value}, eps=eps)[0]


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@pytest.mark.parametrize("node", [field.name for field in fields(StagedGradients)])
@over_every_layout
def test_gradient_at_each_node(shape, node, eps):
    x, dout = random_batch(shape), cotangent(shape)
    gamma, beta = random_vectors(2, shape[1])
    value, rest_of_the_graph = graph_from_each_node(x, gamma, beta, eps)[node]

    staged = batchnorm_backward_staged(dout, batchnorm_forward(x, gamma, beta, eps)[1])

    gradient = getattr(staged, node)
    assert gradient.dtype == np.float64
    # dmean is a sum over the batch that cancels; its summands are of the size of dcentered.
    scale = np.max(np.abs(staged.dcentered)) if node == "dmean" else 0.0
    assert_close(gradient, complex_step(rest_of_the_graph, value, dout), scale=scale)


@over_every_layout
def test_closed_form_against_central_differences(shape):
    x, dout = random_batch(shape), cotangent(shape)
    gamma, beta = random_vectors(2, shape[1])
    _, cache = batchnorm_forward(x, gamma, beta)

    gradients = batchnorm_backward(dout, cache)

    arguments = {"x": x, "gamma": gamma, "beta": beta}
    for gradient, (name, value) in zip(gradients, arguments.items(), strict=True):
        numeric = central_difference(forward_in(name, x, gamma, beta, 1e-5), value, dout)
        # A central difference keeps two thirds of the digits.
        assert_close(gradient, numeric, condition=2.0 ** (52 / 3))


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@over_every_layout
def test_complex_step_runs_through_the_forward_pass(shape, eps):
    x, dout = random_batch(shape), cotangent(shape)
    gamma, beta = random_vectors(2, shape[1])
    _, cache = batchnorm_forward(x, gamma, beta, eps)

    gradients = batchnorm_backward(dout, cache)

    arguments = {"x": x, "gamma": gamma, "beta": beta}
    for gradient, (name, value) in zip(gradients, arguments.items(), strict=True):
        exact = complex_step(forward_in(name, x, gamma, beta, eps), value, dout)
        assert_close(gradient, exact, scale=1.0)


def test_complex_step_runs_through_inference():
    x, dout = random_batch((4, 3, 2)), cotangent((4, 3, 2))
    gamma, beta, running_mean = random_vectors(3, 3)

    dx = complex_step(lambda z: batchnorm_inference(z, gamma, beta, running_mean, gamma**2, eps=0.5), x, dout)

    assert_close(dx, dout * per_channel(gamma / np.sqrt(gamma**2 + 0.5), 3))


@given(x=batches(), eps=st.sampled_from([0.0, 1e-5, 0.5]))
def test_staged_and_closed_form_agree(x, eps):
    dout = cotangent(x.shape)
    gamma, beta = random_vectors(2, x.shape[1])
    _, cache = batchnorm_forward(x, gamma, beta, eps)

    staged = batchnorm_backward_staged(dout, cache)
    dx, dgamma, dbeta = batchnorm_backward(dout, cache)

    assert_close(staged.dx, dx, scale=np.max(np.abs(staged.dcentered)))
    assert np.array_equal(staged.dgamma, dgamma)
    assert np.array_equal(staged.dbeta, dbeta)


@over_every_layout
def test_every_gradient_has_the_shape_of_its_node(shape):
    gamma, beta = random_vectors(2, shape[1])
    staged = batchnorm_backward_staged(
        cotangent(shape), batchnorm_forward(random_batch(shape), gamma, beta)[1]
    )

    of_a_channel = {"dbeta", "dgamma", "dstd", "dvar", "dmean"}
    for field, gradient in zip(fields(staged), astuple(staged), strict=True):
        assert gradient.shape == ((shape[1],) if field.name in of_a_channel else shape)


@over_every_layout
def test_gamma_zero_stops_dx_but_not_dgamma(shape):
    x, dout = random_batch(shape), cotangent(shape)
    zero = np.zeros(shape[1])
    _, cache = batchnorm_forward(x, zero, zero)

    dx, dgamma, _ = batchnorm_backward(dout, cache)

    assert not dx.any()
    assert_close(dgamma, (dout * cache.x_hat).sum(reduction_axes(len(shape))), scale=1.0)


@pytest.mark.parametrize("shape", [(6, 3), (3, 4, 4, 2)], ids=str)
def test_a_gradient_that_is_the_same_for_the_whole_channel_moves_nothing(shape):
    gamma, beta = random_vectors(2, shape[1])
    dout = np.broadcast_to(per_channel(gamma, len(shape)), shape)

    _, cache = batchnorm_forward(random_batch(shape), gamma, beta)
    dx, dgamma, _ = batchnorm_backward(dout, cache)

    assert_close(dx, np.zeros(shape), scale=np.max(np.abs(gamma**2 / cache.std)))
    assert_close(dgamma, np.zeros(shape[1]), scale=1.0)
