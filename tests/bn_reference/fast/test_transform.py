"""Are the fast functions the readable ones, in every arrangement, with either set of kernels?"""

import numpy as np
import pytest

from bn_reference import batchnorm, fast
from bn_reference.fast import numba_kernels, numpy_kernels, sharing
from bn_reference.layouts import per_channel
from tests.bn_reference.batches import every_layout, random_batch
from tests.tolerances import assert_close

with_both_kernels = pytest.mark.parametrize("kernels", [numpy_kernels, numba_kernels], ids=["numpy", "numba"])
in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


arrangements = {
    "channels first": np.ascontiguousarray,
    "channels last": channels_last,
    "Fortran order": np.asfortranarray,
    "every second example": lambda x: np.repeat(x, 2, axis=0)[::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
}
in_every_arrangement = pytest.mark.parametrize("arrange", arrangements.values(), ids=arrangements)


def parameters(x, seed=1):
    rng = np.random.default_rng(seed)
    c = x.shape[1]
    return rng.normal(size=c), rng.normal(size=c), rng.normal(size=x.shape).astype(x.dtype)


@with_both_kernels
@in_both_precisions
@in_every_arrangement
@pytest.mark.parametrize("shape", **every_layout)
def test_fast_functions_equal_the_readable_ones(shape, arrange, dtype, kernels):
    """Do outputs, statistics and all three gradients agree to rounding?"""
    x = arrange(random_batch(shape, dtype=dtype))
    gamma, beta, dout = parameters(x)
    y, statistics = fast.batchnorm_forward(x, gamma, beta, kernels=kernels)
    gradients = fast.batchnorm_backward(arrange(dout), x, gamma, statistics, kernels=kernels)
    expected_y, cache = batchnorm.batchnorm_forward(x, gamma, beta)

    assert y.dtype == dtype and y.shape == x.shape
    assert_close(y, expected_y, dtype=dtype)
    assert_close(statistics.mean, cache.mean, dtype=dtype)
    assert_close(statistics.var, cache.var, dtype=dtype)
    for actual, expected in zip(gradients, batchnorm.batchnorm_backward(dout, cache), strict=True):
        assert_close(actual, expected, dtype=dtype, scale=10.0)


@with_both_kernels
@in_both_precisions
@in_every_arrangement
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", **every_layout)
def test_fast_inference_equals_the_readable_one(shape, threads, arrange, dtype, kernels, monkeypatch):
    """Does a large mean that the dtype cannot hold come out to rounding, in one piece and shared?"""
    monkeypatch.setattr(sharing, "WORTH_A_THREAD", 1)
    x = arrange(random_batch(shape, dtype=dtype, offset=1e5))
    gamma, beta, _ = parameters(x)
    mean, var = beta + 1e5, gamma**2 + 0.1
    y = fast.batchnorm_inference(x, gamma, beta, mean, var, threads=threads, kernels=kernels)
    expected = batchnorm.batchnorm_inference(x.astype(np.float64), gamma, beta, mean, var)
    assert y.dtype == dtype and y.shape == x.shape
    assert_close(y, expected.astype(dtype), dtype=dtype)


@with_both_kernels
@pytest.mark.parametrize("arrange", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("threads", [1, 2, 3, 100])
def test_blocks_and_threads_do_not_change_the_result(threads, arrange, kernels):
    """Is a batch that takes many blocks, shared by threads, the same as in one piece?"""
    x = arrange(random_batch((300, 7, 40, 9), dtype=np.float32))
    gamma, beta, dout = parameters(x)
    dout = arrange(dout)
    y, statistics = fast.batchnorm_forward(x, gamma, beta, threads=threads, kernels=kernels)
    dx, dgamma, _ = fast.batchnorm_backward(dout, x, gamma, statistics, threads=threads, kernels=kernels)
    expected_y, cache = batchnorm.batchnorm_forward(x, gamma, beta)
    expected_dx, expected_dgamma, _ = batchnorm.batchnorm_backward(dout, cache)
    assert_close(y, expected_y, dtype=np.float32)
    assert_close(dx, expected_dx, dtype=np.float32)
    assert_close(dgamma, expected_dgamma, dtype=np.float32, scale=float(np.sqrt(x.size / 7)))


@with_both_kernels
@in_both_precisions
@pytest.mark.parametrize("shape", [(64, 3), (16, 3, 5, 5)], ids=["N,C", "N,C,H,W"])
def test_a_large_mean_costs_no_digits(shape, dtype, kernels):
    """Is the output for mean 1e4 and unit spread right to the rounding of the output?"""
    x = random_batch(shape, dtype=dtype, offset=1e4)
    gamma, beta, _ = parameters(x)
    y, _ = fast.batchnorm_forward(x, gamma, beta, kernels=kernels)
    expected, _ = batchnorm.batchnorm_forward(x.astype(np.float64), gamma, beta)
    assert_close(y, expected.astype(dtype), dtype=dtype)


@with_both_kernels
@pytest.mark.parametrize("shape", [(64, 3), (16, 3, 5, 5)], ids=["N,C", "N,C,H,W"])
def test_a_large_mean_costs_the_gradients_no_digits(shape, kernels):
    """Does what the mean loses in float32 still reach dgamma and dx?"""
    x = random_batch(shape, dtype=np.float32, offset=1e5)
    gamma, _, dout = parameters(x)
    dout += 1  # so that the sum of dout, which multiplies the lost part, is not small
    _, statistics = fast.batchnorm_forward(x, gamma, gamma, kernels=kernels)
    dx, dgamma, _ = fast.batchnorm_backward(dout, x, gamma, statistics, kernels=kernels)
    _, cache = batchnorm.batchnorm_forward(x.astype(np.float64), gamma, gamma)
    expected_dx, expected_dgamma, _ = batchnorm.batchnorm_backward(dout.astype(np.float64), cache)
    assert_close(dx, expected_dx.astype(np.float32), dtype=np.float32)
    assert_close(dgamma, expected_dgamma, dtype=np.float32)


@with_both_kernels
def test_out_is_written_and_returned(kernels):
    """Is `out` the result, and may it be the input itself?"""
    x = random_batch((6, 3, 4))
    gamma, beta, dout = parameters(x)
    expected, statistics = fast.batchnorm_forward(x, gamma, beta, kernels=kernels)
    expected_dx, _, _ = fast.batchnorm_backward(dout, x, gamma, statistics, kernels=kernels)
    dx, _, _ = fast.batchnorm_backward(dout, x, gamma, statistics, out=dout, kernels=kernels)
    y, _ = fast.batchnorm_forward(x, gamma, beta, out=x, kernels=kernels)
    assert y is x and dx is dout
    assert np.array_equal(y, expected) and np.array_equal(dx, expected_dx)


@with_both_kernels
@pytest.mark.parametrize("arrange", [np.ascontiguousarray, channels_last], ids=["first", "last"])
def test_output_is_arranged_like_the_input(arrange, kernels):
    """Does channels last stay channels last?"""
    x = arrange(random_batch((3, 4, 5, 6)))
    gamma, beta, dout = parameters(x)
    y, statistics = fast.batchnorm_forward(x, gamma, beta, kernels=kernels)
    dx, _, _ = fast.batchnorm_backward(dout, x, gamma, statistics, kernels=kernels)
    assert y.strides == dx.strides == x.strides


@with_both_kernels
@pytest.mark.parametrize("row", [0, 1], ids=["first value", "another value"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5)], ids=["N,C", "N,C,L"])
def test_values_that_are_not_finite_spoil_their_channel_alone(shape, bad, row, kernels):
    """Does NaN or infinity reach all of its channel and no other, without a warning?"""
    x = random_batch(shape)
    gamma, beta, dout = parameters(x)
    clean, _ = fast.batchnorm_forward(x, gamma, beta, kernels=kernels)
    x[(row, 1) + (0,) * (x.ndim - 2)] = bad
    y, statistics = fast.batchnorm_forward(x, gamma, beta, kernels=kernels)
    dx, _, _ = fast.batchnorm_backward(dout, x, gamma, statistics, kernels=kernels)
    assert np.isnan(y[:, 1]).all() and np.isnan(dx[:, 1]).all()
    assert np.array_equal(y[:, [0, 2]], clean[:, [0, 2]])
    assert np.array_equal(statistics.mean[1] + statistics.residue[1], bad, equal_nan=True)


@with_both_kernels
def test_constant_channel_gives_beta(kernels):
    """Is 0 / sqrt(eps) zero, also where the mean is rounded?"""
    x = np.full((50, 2, 3), 0.1, dtype=np.float32)
    y, statistics = fast.batchnorm_forward(x, np.ones(2), np.array([1.0, 2.0]), kernels=kernels)
    assert_close(y, np.broadcast_to(per_channel(np.array([1.0, 2.0]), 3), x.shape), dtype=np.float32)
    assert (statistics.var >= 0).all()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        pytest.param({"x": np.ones((2, 3), int)}, TypeError, "x has dtype int64", id="integers"),
        pytest.param({"x": np.ones((2, 3), np.float16)}, TypeError, "expected float32 or float64", id="half"),
        pytest.param({"x": np.ones(3)}, ValueError, r"x has shape \(3,\)", id="one axis"),
        pytest.param(
            {"gamma": np.ones(2)}, ValueError, r"gamma has shape \(2,\), expected \(3,\)", id="gamma"
        ),
        pytest.param({"eps": 0.0}, ValueError, "eps is 0, expected above zero", id="eps 0"),
        pytest.param({"eps": -1.0}, ValueError, "eps is -1.0", id="eps below 0"),
        pytest.param({"threads": 0}, ValueError, "threads is 0, expected 1 or more", id="threads"),
        pytest.param({"out": np.ones((3, 3))}, ValueError, r"out has shape \(3, 3\)", id="out's shape"),
        pytest.param({"out": np.ones((2, 3), np.float32)}, ValueError, "dtype float32", id="out's dtype"),
        pytest.param({"out": np.ones((3, 2)).T}, ValueError, "strides", id="out's arrangement"),
    ],
)
def test_bad_input_is_named(change, error, says):
    """Does each error say what came and what was expected?"""
    arguments = {"x": random_batch((2, 3)), "gamma": np.ones(3), "beta": np.zeros(3)} | change
    with pytest.raises(error, match=says):
        fast.batchnorm_forward(**arguments)
