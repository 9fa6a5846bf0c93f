import re
from itertools import pairwise

import numpy as np
import pytest

from bn_reference.decorrelated import iternorm_backward, iternorm_forward, zca_backward, zca_forward
from bn_reference.gradcheck import central_difference, complex_step, relative_error
from bn_reference.whitening import zca_whitening
from tests.bn_reference.batches import cotangent, every_memory_layout, random_batch, read_only
from tests.tolerances import assert_close

SHAPES = [(9, 3), (4, 3, 5), (3, 2, 2, 3), (6, 1)]
EPS = 0.1

over_every_layout = pytest.mark.parametrize("shape", SHAPES, ids=str)
both_layers = pytest.mark.parametrize(
    ("forward", "backward"), [(zca_forward, zca_backward), (iternorm_forward, iternorm_backward)]
)


def covariance_of(y):
    """Of the channels."""
    columns = np.moveaxis(y, 1, 0).reshape(y.shape[1], -1)
    return np.cov(columns, bias=True).reshape(len(columns), -1)


class TestZCA:
    @over_every_layout
    def test_what_comes_out_is_white(self, shape):
        y, _ = zca_forward(random_batch(shape), eps=0.0)

        assert_close(y.mean((0, *range(2, y.ndim))), np.zeros(shape[1]), condition=16, scale=1.0)
        assert_close(covariance_of(y), np.eye(shape[1]), condition=16)

    def test_it_is_the_zca_whitening_of_the_samples(self):
        x = random_batch((9, 3))

        y, cache = zca_forward(x, EPS)

        fitted = zca_whitening(x, EPS)
        assert_close(cache.matrix, fitted.matrix, condition=4)
        assert_close(y, fitted(x), condition=4)

    @over_every_layout
    def test_backward_is_the_central_difference_of_forward(self, shape):
        x, dout = random_batch(shape), cotangent(shape)

        dx = zca_backward(dout, zca_forward(x, EPS)[1])

        assert relative_error(dx, central_difference(lambda z: zca_forward(z, EPS)[0], x, dout)) < 1e-8

    @pytest.mark.parametrize("distance", [0.0, 1e-14, 1e-9, 1e-5])
    def test_equal_eigenvalues_have_a_gradient_like_any_others(self, distance):
        """Channels that are white to begin with, or nearly so."""
        x = zca_forward(random_batch((9, 3)), eps=0.0)[0] * (1 + distance * np.arange(3))
        dout = cotangent(x.shape)

        dx = zca_backward(dout, zca_forward(x, EPS)[1])

        assert relative_error(dx, central_difference(lambda z: zca_forward(z, EPS)[0], x, dout)) < 1e-8

    def test_exactly_equal_eigenvalues_do_not_divide_by_zero(self):
        x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        _, cache = zca_forward(x, EPS)

        assert cache.root[0] == cache.root[1]
        assert np.isfinite(zca_backward(cotangent((4, 2)), cache)).all()

    def test_more_channels_than_values_need_eps(self):
        x = random_batch((2, 4))

        assert np.isfinite(zca_backward(cotangent((2, 4)), zca_forward(x, EPS)[1])).all()
        with pytest.raises(ValueError, match=r"x with shape \(2, 4\) has an eigenvalue .*; pass a larger"):
            zca_forward(x, eps=0.0)


class TestIterNorm:
    @pytest.mark.parametrize("iterations", [0, 1, 5])
    @over_every_layout
    def test_backward_is_the_complex_step_of_forward(self, shape, iterations):
        x, dout = random_batch(shape), cotangent(shape)

        dx = iternorm_backward(dout, iternorm_forward(x, iterations, EPS)[1])

        expected = complex_step(lambda z: iternorm_forward(z, iterations, EPS)[0], x, dout)
        assert_close(dx, expected, condition=4, scale=1.0)

    def test_enough_iterations_come_to_the_inverse_root(self):
        x, dout = random_batch((9, 3)), cotangent((9, 3))

        y, cache = iternorm_forward(x, 8, EPS)

        expected_y, expected = zca_forward(x, EPS)
        assert_close(y, expected_y, condition=16)
        assert_close(iternorm_backward(dout, cache), zca_backward(dout, expected), condition=64)

    def test_each_iteration_comes_closer_to_white(self):
        x = random_batch((9, 3))

        covariances = [covariance_of(iternorm_forward(x, k, 0.0)[0]) for k in range(9)]
        distances = [np.abs(covariance - np.eye(3)).max() for covariance in covariances]

        assert all(later < earlier for earlier, later in pairwise(distances))

    def test_iterations_are_not_negative(self):
        with pytest.raises(ValueError, match="iterations is -1, expected a number of steps, zero or above"):
            iternorm_forward(random_batch((9, 3)), -1)

    def test_a_batch_that_does_not_vary_needs_eps(self):
        with pytest.raises(ValueError, match="eps is 0 and no channel of x varies, expected eps above zero"):
            iternorm_forward(np.ones((4, 2)), eps=0.0)


@both_layers
def test_the_dtype_stays_and_sums_are_float64(forward, backward):
    x, dout = random_batch((9, 3), dtype=np.float32), cotangent((9, 3), dtype=np.float32)

    y, cache = forward(x)
    dx = backward(dout, cache)

    assert y.dtype == dx.dtype == np.float32
    assert cache.matrix.dtype == np.float64
    assert np.array_equal(y, forward(x.astype(np.float64))[0].astype(np.float32))


@both_layers
@pytest.mark.parametrize("lay_out", **every_memory_layout)
def test_strides_do_not_matter(forward, backward, lay_out):
    x, dout = random_batch((3, 2, 2, 3)), cotangent((3, 2, 2, 3))
    y, cache = forward(x, eps=EPS)

    laid_out_y, laid_out_cache = forward(lay_out(x), eps=EPS)

    assert_close(laid_out_y, y, condition=4)
    assert_close(backward(lay_out(dout), laid_out_cache), backward(dout, cache), condition=4)


@both_layers
def test_nothing_that_came_in_is_changed(forward, backward):
    x, dout = read_only(random_batch((9, 3)), cotangent((9, 3)))

    backward(dout, forward(x)[1])


class TestErrors:
    @both_layers
    def test_integers_are_refused(self, forward, backward):
        with pytest.raises(TypeError, match=r"^x has dtype int64, expected a floating dtype"):
            forward(np.ones((4, 2), dtype=np.int64))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_are_finite(self, value):
        with pytest.raises(ValueError, match="x holds NaN or infinite values"), np.errstate(invalid="ignore"):
            zca_forward(np.full((4, 2), value))

    @pytest.mark.parametrize("eps", [-1e-5, np.inf, np.nan])
    @both_layers
    def test_eps_must_be_finite_and_not_negative(self, forward, backward, eps):
        with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
            forward(random_batch((9, 3)), eps=eps)

    @both_layers
    def test_dout_has_the_shape_of_the_batch(self, forward, backward):
        with pytest.raises(ValueError, match=re.escape("dout has shape (3, 9), expected (9, 3), the shape")):
            backward(np.zeros((3, 9)), forward(random_batch((9, 3)))[1])
