import re

import numpy as np
import pytest
import torch

from bn_reference.layernorm import layernorm_backward, layernorm_forward
from tests.bn_reference.batches import cotangent, every_memory_layout, random_batch, read_only
from tests.bn_reference.oracles import assert_complex_step, assert_same_as_torch
from tests.tolerances import assert_close

SHAPES = [((6, 3), 1), ((4, 3, 5), 1), ((4, 3, 5), 2), ((2, 3, 2, 3), 3), ((2, 3, 2, 3), 1), ((7,), 1)]
"""Shapes of the batch, each with how many of its last axes are normalised."""

over_every_shape = pytest.mark.parametrize(("shape", "last"), SHAPES, ids=str)
in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def problem(shape, last, dtype=np.float64):
    x = np.random.default_rng(0).normal(1.0, 2.0, size=shape).astype(dtype)
    gamma, beta, dout = (
        cotangent(of, seed, dtype) for seed, of in enumerate((shape[-last:], shape[-last:], shape), start=1)
    )
    return x, gamma, beta, dout


@in_both_precisions
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@over_every_shape
def test_it_is_that_of_torch(shape, last, eps, dtype):
    x, gamma, beta, dout = problem(shape, last, dtype)

    y, cache = layernorm_forward(x, gamma, beta, eps)
    gradients = layernorm_backward(dout, cache)

    def of_torch(x, gamma, beta):
        return torch.nn.functional.layer_norm(x, gamma.shape, gamma, beta, eps)

    assert_same_as_torch(y, gradients, of_torch, [x, gamma, beta], dout, condition=4)


@pytest.mark.parametrize("eps", [0.0, 0.1])
@over_every_shape
def test_backward_is_the_complex_step_of_forward(shape, last, eps):
    *arrays, dout = problem(shape, last)

    gradients = layernorm_backward(dout, layernorm_forward(*arrays, eps)[1])

    assert_complex_step(gradients, lambda *a: layernorm_forward(*a, eps)[0], arrays, dout)


def test_the_scale_and_the_mean_of_an_example_do_not_matter():
    x, gamma, beta, _ = problem((6, 5), 1)
    scale, shift = np.array([[1.0], [3.0], [0.1], [7.0], [1e3], [2.0]]), cotangent((6, 1), seed=9)

    y, _ = layernorm_forward(scale * x + shift, gamma, beta, eps=0.0)

    assert_close(y, layernorm_forward(x, gamma, beta, eps=0.0)[0], condition=4, scale=1.0)


def test_an_example_does_not_see_the_others():
    x, gamma, beta, _ = problem((6, 5), 1)

    assert_close(layernorm_forward(x, gamma, beta)[0][2:3], layernorm_forward(x[2:3], gamma, beta)[0])


@pytest.mark.parametrize("lay_out", **every_memory_layout)
def test_strides_do_not_matter(lay_out):
    x, gamma, beta, dout = problem((4, 3, 5), 2)
    y, cache = layernorm_forward(x, gamma, beta)

    laid_out_y, laid_out_cache = layernorm_forward(lay_out(x), gamma, beta)

    assert_close(laid_out_y, y)
    for ours, expected in zip(
        layernorm_backward(lay_out(dout), laid_out_cache), layernorm_backward(dout, cache), strict=True
    ):
        assert_close(ours, expected, scale=1.0)


def test_nothing_that_came_in_is_changed():
    x, gamma, beta, dout = read_only(*problem((4, 3, 5), 2))

    layernorm_backward(dout, layernorm_forward(x, gamma, beta)[1])


class TestErrors:
    @pytest.mark.parametrize("name", ["x", "gamma", "beta"])
    def test_integers_are_refused(self, name):
        arrays = {"x": np.ones((2, 3)), "gamma": np.ones(3), "beta": np.ones(3)}
        arrays[name] = arrays[name].astype(np.int64)

        with pytest.raises(TypeError, match=f"^{name} has dtype int64, expected a floating dtype"):
            layernorm_forward(**arrays)

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((3,), "gamma has shape (3,), expected (4,) to match the last axes of x with shape (8, 4)"),
            ((8,), "gamma has shape (8,), expected (4,) to match the last axes of x with shape (8, 4)"),
            ((2, 8, 4), "gamma has shape (2, 8, 4), expected (8, 4) to match the last axes of x"),
            ((), "gamma has shape (), expected that of the last axes of x, (8, 4)"),
        ],
        ids=str,
    )
    def test_gamma_has_the_shape_of_the_last_axes(self, shape, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            layernorm_forward(random_batch((8, 4)), np.ones(shape), np.ones(shape))

    def test_beta_has_the_shape_of_gamma(self):
        message = "beta has shape (3,), expected (4,), the shape of gamma"

        with pytest.raises(ValueError, match=re.escape(message)):
            layernorm_forward(random_batch((8, 4)), np.ones(4), np.ones(3))

    def test_an_empty_batch_is_refused(self):
        with pytest.raises(ValueError, match=re.escape("x has shape (0, 4), expected at least one value")):
            layernorm_forward(np.zeros((0, 4)), np.ones(4), np.ones(4))

    def test_dout_has_the_shape_of_the_batch(self):
        _, cache = layernorm_forward(random_batch((8, 4)), np.ones(4), np.ones(4))

        with pytest.raises(ValueError, match=re.escape("dout has shape (4, 8), expected (8, 4), the shape")):
            layernorm_backward(np.zeros((4, 8)), cache)
