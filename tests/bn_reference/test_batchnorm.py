import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bn_reference.batchnorm import (
    batch_statistics,
    batchnorm_backward,
    batchnorm_backward_staged,
    batchnorm_forward,
    batchnorm_inference,
    update_running_statistics,
)
from bn_reference.layouts import reduction_axes
from tests.bn_reference.batches import (
    batches,
    cotangent,
    every_layout,
    every_memory_layout,
    random_batch,
    random_vectors,
    read_only,
)
from tests.bn_reference.exact import exact_gradients, exact_statistics, exact_y
from tests.tolerances import assert_close

EPS = [1e-5, 0.1]
"""The usual one, and one so large that its place in the formula shows in float32."""

in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
over_every_layout = pytest.mark.parametrize("shape", **every_layout)


def torch_batch_norm(x, gamma, beta, eps, dout):
    """Output and gradients of torch: the oracle."""
    x, gamma, beta = (torch.tensor(v, requires_grad=True) for v in (x, gamma, beta))
    y = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    y.backward(torch.tensor(dout))
    return y, x.grad, gamma.grad, beta.grad


class TestAgainstTorch:
    @in_both_precisions
    @pytest.mark.parametrize("eps", EPS)
    @over_every_layout
    def test_training(self, shape, eps, dtype):
        x, dout = random_batch(shape, dtype=dtype), cotangent(shape, dtype=dtype)
        gamma, beta = random_vectors(2, shape[1], dtype=dtype)

        y, cache = batchnorm_forward(x, gamma, beta, eps)
        gradients = batchnorm_backward(dout, cache)
        staged = batchnorm_backward_staged(dout, cache)

        expected_y, *expected = torch_batch_norm(x, gamma, beta, eps, dout)
        assert_close(y, expected_y)
        for ours, theirs in zip(gradients, expected, strict=True):
            assert ours.dtype == dtype
            assert_close(ours, theirs, scale=1.0)
        for ours, theirs in zip((staged.dx, staged.dgamma, staged.dbeta), expected, strict=True):
            assert_close(ours, theirs, dtype, scale=1.0)

    @in_both_precisions
    @pytest.mark.parametrize("eps", EPS)
    @over_every_layout
    def test_inference(self, shape, eps, dtype):
        x = random_batch(shape, dtype=dtype)
        gamma, beta, running_mean = random_vectors(3, shape[1], dtype=dtype)
        running_var = random_vectors(1, shape[1], seed=3, dtype=dtype)[0] ** 2

        y = batchnorm_inference(x, gamma, beta, running_mean, running_var, eps)

        arguments = map(torch.tensor, (x, running_mean, running_var, gamma, beta))
        assert y.dtype == dtype
        assert_close(y, torch.nn.functional.batch_norm(*arguments, training=False, eps=eps))

    @in_both_precisions
    @pytest.mark.parametrize("momentum", [0.0, 0.1, 0.75, 1.0])
    @over_every_layout
    def test_running_statistics_over_several_batches(self, shape, momentum, dtype):
        running_mean, running_var = np.zeros(shape[1], dtype), np.ones(shape[1], dtype)
        expected_mean, expected_var = torch.tensor(running_mean), torch.tensor(running_var)

        for seed in range(4):
            x = random_batch(shape, seed, dtype)
            m = x.size // shape[1]
            running_mean, running_var = update_running_statistics(
                running_mean, running_var, *batch_statistics(x), m, momentum
            )
            torch.nn.functional.batch_norm(
                torch.tensor(x), expected_mean, expected_var, training=True, momentum=momentum
            )

        assert running_mean.dtype == running_var.dtype == dtype
        assert_close(running_mean, expected_mean, scale=1.0)
        assert_close(running_var, expected_var)

    def test_constant_features_become_beta(self):
        x, dout = np.full((5, 2), [0.1, -3e7]), cotangent((5, 2))
        gamma, beta = random_vectors(2, 2)

        y, cache = batchnorm_forward(x, gamma, beta)
        dx, dgamma, dbeta = batchnorm_backward(dout, cache)

        assert np.array_equal(y, np.broadcast_to(beta, x.shape))
        assert np.array_equal(dgamma, [0, 0])
        # Torch sees the rounding of its mean, so its x is a constant that float64 sums exactly.
        _, dx_of_torch, _, _ = torch_batch_norm(np.ones((5, 2)), gamma, beta, 1e-5, dout)
        assert_close(dx, dx_of_torch)
        assert_close(dbeta, dout.sum(axis=0))


class TestExactness:
    """The last bits, where torch itself is not exact enough to compare with."""

    @pytest.mark.parametrize("eps", [0.0, *EPS])
    @pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
    def test_large_means_cost_no_digits(self, offset, eps):
        x = random_batch((12, 2), offset=offset)
        dout = cotangent(x.shape)
        gamma, beta = random_vectors(2, 2)

        mean, var = batch_statistics(x)
        y, cache = batchnorm_forward(x, gamma, beta, eps)
        dx, dgamma, dbeta = batchnorm_backward(dout, cache)

        for c in range(2):
            column = (x[:, c], gamma[c], beta[c], eps)
            assert_close(np.array([mean[c], var[c]]), exact_statistics(x[:, c]))
            assert_close(var[c], exact_statistics(x[:, c])[1])
            assert_close(y[:, c], exact_y(*column))
            expected_dx, expected_dgamma, expected_dbeta = exact_gradients(x[:, c], dout[:, c], *column[1:])
            assert_close(dx[:, c], expected_dx)
            assert_close(dgamma[c], expected_dgamma, scale=1.0)
            assert_close(dbeta[c], expected_dbeta, scale=1.0)

    @pytest.mark.parametrize("offset", [0.0, 1e4])
    def test_float32_around_a_large_mean_is_right_to_the_last_place(self, offset):
        x = random_batch((12, 1), dtype=np.float32, offset=offset)

        y, _ = batchnorm_forward(x, np.ones(1), np.zeros(1))

        assert np.array_equal(y[:, 0], exact_y(x[:, 0], 1, 0, 1e-5).astype(np.float32))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    @over_every_layout
    def test_narrow_input_is_computed_in_float64_and_rounded_once(self, shape, dtype):
        x, dout = random_batch(shape, dtype=dtype), cotangent(shape, dtype=dtype)
        gamma, beta = random_vectors(2, shape[1], dtype=dtype)
        wide = (v.astype(np.float64) for v in (x, gamma, beta))

        y, cache = batchnorm_forward(x, gamma, beta)
        gradients = batchnorm_backward(dout, cache)

        expected_y, wide_cache = batchnorm_forward(*wide)
        expected = batchnorm_backward(dout.astype(np.float64), wide_cache)
        assert cache.x_hat.dtype == cache.mean.dtype == cache.var.dtype == np.float64
        assert y.dtype == dtype
        assert np.array_equal(y, expected_y.astype(dtype))
        for ours, theirs in zip(gradients, expected, strict=True):
            assert ours.dtype == dtype
            assert np.array_equal(ours, theirs.astype(dtype))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    @over_every_layout
    def test_narrow_inference_is_computed_in_float64_and_rounded_once(self, shape, dtype):
        x = random_batch(shape, dtype=dtype)
        gamma, beta, running_mean = random_vectors(3, shape[1], dtype=dtype)
        arguments = (x, gamma, beta, running_mean, gamma**2)

        y = batchnorm_inference(*arguments)

        assert y.dtype == dtype
        assert np.array_equal(
            y, batchnorm_inference(*(v.astype(np.float64) for v in arguments)).astype(dtype)
        )

    def test_sums_beyond_the_range_of_float16(self):
        x = np.array([[60000.0], [60000.0], [0.0], [0.0]], dtype=np.float16)

        mean, var = batch_statistics(x)

        assert mean.tolist() == [30000.0]
        assert var.tolist() == [9e8]

    def test_longer_floats_stay_as_long(self):
        x = random_batch((4, 2), dtype=np.longdouble)

        y, cache = batchnorm_forward(x, np.ones(2), np.zeros(2))
        at_inference = batchnorm_inference(x, np.ones(2), np.zeros(2), cache.mean, cache.var)

        assert y.dtype == cache.mean.dtype == cache.std.dtype == at_inference.dtype == np.longdouble

    @given(value=st.floats(-1e100, 1e100), m=st.integers(1, 50))
    def test_a_constant_feature_has_variance_exactly_zero(self, value, m):
        mean, var = batch_statistics(np.full((m, 1), value))

        assert mean.tolist() == [value]
        assert var.tolist() == [0.0]

    def test_nan_stays_in_its_channel(self):
        x = random_batch((4, 3))
        broken = x.copy()
        broken[2, 1] = np.nan

        y, _ = batchnorm_forward(broken, np.ones(3), np.zeros(3))

        assert np.isnan(y[:, 1]).all()
        assert np.array_equal(y[:, ::2], batchnorm_forward(x, np.ones(3), np.zeros(3))[0][:, ::2])


class TestInvariants:
    @given(x=batches(), eps=st.sampled_from([0.0, *EPS]))
    def test_x_hat_has_mean_zero_and_variance_near_one(self, x, eps):
        axes = reduction_axes(x.ndim)
        _, cache = batchnorm_forward(x, np.ones(x.shape[1]), np.zeros(x.shape[1]), eps)

        assert_close(cache.x_hat.mean(axes), np.zeros(x.shape[1]), scale=1.0)
        assert_close(cache.x_hat.var(axes), cache.var / (cache.var + eps))

    @given(x=batches(), slope=st.sampled_from([-3.0, 0.01, 1.0, 256.0]), shift=st.floats(-100, 100))
    def test_an_affine_map_of_the_input_changes_only_the_sign(self, x, slope, shift):
        gamma, beta = random_vectors(2, x.shape[1])
        dout = cotangent(x.shape)

        y, cache = batchnorm_forward(slope * x + shift, np.sign(slope) * gamma, beta, eps=0.0)
        dx, _, _ = batchnorm_backward(dout, cache)

        expected_y, expected_cache = batchnorm_forward(x, gamma, beta, eps=0.0)
        expected_dx, _, _ = batchnorm_backward(dout, expected_cache)
        # The map itself is rounded, relative to values whose spread may be far smaller.
        spread = np.min(expected_cache.std) * min(1, abs(slope))
        condition = (np.max(np.abs(x)) * abs(slope) + abs(shift)) / spread
        assert_close(y, expected_y, condition=1 + condition)
        size = np.max(np.abs(gamma / expected_cache.std))
        assert_close(dx * slope, expected_dx, condition=1 + condition, scale=size)

    @given(x=batches(), eps=st.sampled_from([0.0, *EPS]))
    def test_dx_is_orthogonal_to_one_and_without_eps_to_x_hat(self, x, eps):
        axes, dout = reduction_axes(x.ndim), cotangent(x.shape)
        gamma, beta = random_vectors(2, x.shape[1])

        _, cache = batchnorm_forward(x, gamma, beta, eps)
        dx, dgamma, _ = batchnorm_backward(dout, cache)

        steepness = gamma / cache.std
        size = np.max(np.abs(steepness)) * np.sum(np.abs(dout))
        along_x_hat = steepness * dgamma * eps / (cache.var + eps)
        assert_close(dx.sum(axes), np.zeros(x.shape[1]), scale=size)
        assert_close((dx * cache.x_hat).sum(axes), along_x_hat, scale=size)

    @given(x=batches(least_m=1))
    def test_positions_count_as_further_examples(self, x):
        gamma, beta = random_vectors(2, x.shape[1])
        rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])

        y, _ = batchnorm_forward(x, gamma, beta)
        y_of_rows, _ = batchnorm_forward(rows, gamma, beta)

        assert_close(np.moveaxis(y, 1, -1).reshape(rows.shape), y_of_rows, condition=1e2)

    @given(x=batches(), seed=st.integers(0, 2**32 - 1))
    def test_channels_do_not_see_each_other(self, x, seed):
        gamma, beta = random_vectors(2, x.shape[1])
        order = np.random.default_rng(seed).permutation(x.shape[1])

        y, _ = batchnorm_forward(x, gamma, beta)
        reordered, _ = batchnorm_forward(x[:, order], gamma[order], beta[order])

        assert_close(reordered, y[:, order], condition=1e2)

    @given(x=batches(least_m=1))
    def test_inference_with_the_statistics_of_the_batch_is_training(self, x):
        gamma, beta = random_vectors(2, x.shape[1])

        y, cache = batchnorm_forward(x, gamma, beta)
        at_inference = batchnorm_inference(x, gamma, beta, cache.mean, cache.var)

        condition = 1 + np.max(np.abs(cache.mean) / cache.std)
        assert_close(at_inference, y, condition=condition)

    @given(x=batches(least_m=1))
    def test_inference_takes_each_example_by_itself(self, x):
        vectors = (*random_vectors(3, x.shape[1]), random_vectors(1, x.shape[1], seed=3)[0] ** 2)

        one_by_one = [batchnorm_inference(x[i : i + 1], *vectors) for i in range(len(x))]

        assert np.array_equal(np.concatenate(one_by_one), batchnorm_inference(x, *vectors))

    @pytest.mark.parametrize("shape", [(1, 4), (1, 4, 1, 1)], ids=str)
    def test_one_value_a_channel_becomes_beta_and_gets_no_gradient(self, shape):
        gamma, beta = random_vectors(2, 4)

        y, cache = batchnorm_forward(random_batch(shape, offset=1e4), gamma, beta)
        dx, dgamma, dbeta = batchnorm_backward(dout := cotangent(shape), cache)

        assert np.array_equal(y.ravel(), beta)
        assert np.array_equal(dx, np.zeros(shape))
        assert np.array_equal(dgamma, np.zeros(4))
        assert np.array_equal(dbeta, dout.ravel())


class TestMemory:
    @in_both_precisions
    @pytest.mark.parametrize("lay_out", **every_memory_layout)
    @over_every_layout
    def test_strides_do_not_matter(self, shape, lay_out, dtype):
        x, dout = random_batch(shape, dtype=dtype), cotangent(shape, dtype=dtype)
        gamma, beta, running_mean = random_vectors(3, shape[1], dtype=dtype)

        y, cache = batchnorm_forward(lay_out(x), lay_out(gamma[None])[0], lay_out(beta[None])[0])
        gradients = batchnorm_backward(lay_out(dout), cache)
        at_inference = batchnorm_inference(lay_out(x), gamma, beta, running_mean, gamma**2)

        expected_y, expected_cache = batchnorm_forward(x, gamma, beta)
        expected = batchnorm_backward(dout, expected_cache)
        assert_close(y, expected_y)
        for ours, theirs in zip(gradients, expected, strict=True):
            assert_close(ours, theirs, scale=1.0)
        assert_close(at_inference, batchnorm_inference(x, gamma, beta, running_mean, gamma**2))

    @over_every_layout
    def test_nothing_that_came_in_is_changed(self, shape):
        x, dout = read_only(random_batch(shape), cotangent(shape))
        gamma, beta, mean, running_mean = read_only(*random_vectors(4, shape[1]))
        var, running_var = read_only(gamma**2, mean**2)

        _, cache = batchnorm_forward(x, gamma, beta)
        read_only(*vars(cache).values())
        batchnorm_backward(dout, cache)
        batchnorm_backward_staged(dout, cache)
        batch_statistics(x)
        batchnorm_inference(x, gamma, beta, running_mean, running_var)
        update_running_statistics(running_mean, running_var, mean, var, m=7)

    def test_results_are_no_views_of_what_came_in(self):
        old_mean, old_var, mean, var = random_vectors(4, 3)

        new_mean, new_var = update_running_statistics(old_mean, old_var, mean, var, m=2, momentum=0.0)

        assert not np.shares_memory(new_mean, old_mean)
        assert not np.shares_memory(new_var, old_var)
