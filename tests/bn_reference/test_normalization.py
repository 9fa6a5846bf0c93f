import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bn_reference.normalization import (
    center,
    normalize,
    normalize_backward,
    rescale,
    rescale_backward,
    scale_and_shift,
    scale_and_shift_backward,
)
from tests.bn_reference.batches import batches, cotangent, random_batch, read_only
from tests.bn_reference.oracles import assert_complex_step
from tests.tolerances import assert_close

SHAPE = (3, 4, 5)
AXES = [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)]

over_every_choice_of_axes = pytest.mark.parametrize("axes", AXES, ids=str)
both_transforms = pytest.mark.parametrize(
    ("forward", "backward"), [(rescale, rescale_backward), (normalize, normalize_backward)]
)


@both_transforms
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@over_every_choice_of_axes
def test_backward_is_the_derivative_of_forward(axes, eps, forward, backward):
    x, dout = random_batch(SHAPE), cotangent(SHAPE)

    dx = backward(dout, forward(x, axes, eps))

    assert_complex_step([dx], lambda z: forward(z, axes, eps).x_hat, [x], dout)


@over_every_choice_of_axes
def test_centring_is_its_own_backward(axes):
    x, dout = random_batch(SHAPE), cotangent(SHAPE)

    assert_complex_step([center(dout, axes)[1]], lambda z: center(z, axes)[1], [x], dout)


@pytest.mark.parametrize("shape", [(1, 4, 1), (3, 1, 5), (1, 1, 5), (3, 4, 5)], ids=str)
def test_scale_and_shift_backward_sums_over_what_was_repeated(shape):
    x_hat, dout = random_batch(SHAPE), cotangent(SHAPE)
    gamma, beta = cotangent(shape, seed=3), cotangent(shape, seed=4)

    gradients = scale_and_shift_backward(dout, x_hat, gamma)

    def forward(x_hat, gamma, beta):
        return scale_and_shift(x_hat, gamma, beta)

    assert_complex_step(gradients, forward, [x_hat, gamma, beta], dout)


@given(x=batches(), eps=st.sampled_from([0.0, 1e-5, 0.5]))
def test_what_is_normalized_has_mean_zero_and_variance_near_one(x, eps):
    axes = (0, *range(2, x.ndim))

    cache = normalize(x, axes, eps)

    assert_close(cache.x_hat.mean(axes), np.zeros(x.shape[1]), scale=1.0)
    assert_close((cache.x_hat**2).mean(axes, keepdims=True), 1 - eps / cache.rms**2, scale=1.0)


@over_every_choice_of_axes
def test_the_gradient_is_orthogonal_to_one_and_to_x_hat(axes):
    cache = normalize(random_batch(SHAPE), axes, eps=0.0)

    dx = normalize_backward(cotangent(SHAPE), cache)

    assert_close(dx.sum(axes), np.zeros_like(dx.sum(axes)), scale=1.0)
    assert_close((dx * cache.x_hat).sum(axes), np.zeros_like(dx.sum(axes)), condition=4, scale=1.0)


def test_large_means_cost_no_digits():
    x = np.round(random_batch(SHAPE) * 2**20) / 2**20

    moved = normalize(x + 2.0**20, (1,), eps=0.0)

    assert_close(moved.x_hat, normalize(x, (1,), eps=0.0).x_hat, scale=1.0)


def test_nothing_that_came_in_is_changed():
    x, dout = read_only(random_batch(SHAPE), cotangent(SHAPE))
    cache = normalize(x, (0, 2), eps=0.1)
    read_only(cache.x_hat, cache.rms)

    normalize_backward(dout, cache)
    rescale_backward(dout, rescale(x, (0, 2), eps=0.1))


class TestErrors:
    @pytest.mark.parametrize("function", [center, lambda x, axes: rescale(x, axes, 0.1)])
    def test_integers_are_refused(self, function):
        with pytest.raises(TypeError, match=r"^x has dtype int64, expected a floating dtype"):
            function(np.zeros((2, 3), dtype=np.int64), (0,))

    @pytest.mark.parametrize("eps", [-1e-5, np.inf, np.nan])
    def test_eps_must_be_finite_and_not_negative(self, eps):
        with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
            normalize(random_batch(SHAPE), (1,), eps)

    def test_what_does_not_vary_needs_eps(self):
        x = random_batch((3, 4))
        x[2] = 7.0
        message = "eps is 0 and the values over axes (1,) have mean square 0 at index (2, 0), so that"

        with pytest.raises(ValueError, match=re.escape(message)):
            normalize(x, (1,), eps=0.0)

    @both_transforms
    def test_the_gradient_has_the_shape_of_the_values(self, forward, backward):
        cache = forward(random_batch(SHAPE), (1,), 0.1)

        with pytest.raises(ValueError, match=re.escape("dx_hat has shape (2,), expected (3, 4, 5)")):
            backward(np.zeros(2), cache)

    def test_scale_and_shift_wants_dout_like_the_batch(self):
        with pytest.raises(ValueError, match=re.escape("dout has shape (2,), expected (3, 4, 5)")):
            scale_and_shift_backward(np.zeros(2), random_batch(SHAPE), np.ones((1, 4, 1)))
