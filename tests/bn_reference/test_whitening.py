import re

import numpy as np
import pytest

from bn_reference.whitening import (
    cholesky_whitening,
    covariance,
    pca_whitening,
    standardize,
    zca_whitening,
)
from tests.bn_reference.batches import every_memory_layout, read_only
from tests.tolerances import assert_close

WHITENINGS = [pca_whitening, zca_whitening, cholesky_whitening]
OFFSETS = [0.0, 1e4, 1e6]

all_three = pytest.mark.parametrize("whitening", WHITENINGS)
in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def samples(n=40, d=4, seed=0, offset=0.0, dtype=np.float64):
    """Correlated features; the condition number of their covariance is below 100."""
    rng = np.random.default_rng(seed)
    orthogonal, _ = np.linalg.qr(rng.normal(size=(d, d)))
    mix = orthogonal * np.linspace(3.0, 1.0, d)
    return (rng.normal(size=(n, d)) @ mix.T + offset).astype(dtype)


def with_duplicate(offset, dtype):
    x = samples(offset=offset, dtype=dtype)
    return np.column_stack([x, x[:, 1]]), 4


def with_sum(offset, dtype):
    x = samples(offset=offset, dtype=dtype)
    return np.column_stack([x, x[:, 0] + x[:, 1]]), 4


def with_constant(offset, dtype):
    return np.column_stack([samples(offset=offset, dtype=dtype), np.full(40, dtype(offset + 0.1))]), 4


def as_many_samples_as_features(offset, dtype):
    return samples(4, 4, offset=offset, dtype=dtype), 3


def fewer_samples_than_features(offset, dtype):
    return samples(3, 5, offset=offset, dtype=dtype), 2


def one_sample(offset, dtype):
    return samples(1, 2, offset=offset, dtype=dtype), 0


def all_constant(offset, dtype):
    return np.full((6, 2), offset + 0.1, dtype), 0


RANK_DEFICIENT = [
    with_duplicate,
    with_sum,
    with_constant,
    as_many_samples_as_features,
    fewer_samples_than_features,
    one_sample,
    all_constant,
]
"""Each makes data of an offset and a dtype, and says the rank of their covariance."""


def condition_of(x):
    """Whitening magnifies the rounding of the covariance, and that of a large mean."""
    lam = np.linalg.eigvalsh(covariance(x))
    return lam[-1] / lam[0] + np.max(np.abs(x)) / np.sqrt(lam[0])


class TestWhitening:
    @all_three
    @pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
    @pytest.mark.parametrize("offset", OFFSETS)
    def test_the_matrix_whitens_the_covariance(self, whitening, eps, offset):
        x = samples(offset=offset)

        w = whitening(x, eps).matrix

        sigma = covariance(x) + eps * np.eye(4)
        assert_close(w @ sigma @ w.T, np.eye(4), condition=condition_of(samples()))

    @all_three
    @pytest.mark.parametrize("offset", OFFSETS)
    def test_whitened_data_have_mean_zero_and_covariance_one(self, whitening, offset):
        x = samples(offset=offset)

        z = whitening(x)(x)

        assert z.shape == x.shape
        assert_close(z.mean(axis=0), np.zeros(4), condition=condition_of(x), scale=1.0)
        assert_close(z.T @ z / len(z), np.eye(4), condition=condition_of(x))

    @all_three
    def test_new_data_are_whitened_with_the_mean_and_the_matrix_of_the_old(self, whitening):
        fitted, new = whitening(samples()), samples(7, seed=1)

        assert_close(fitted(new), np.stack([fitted.matrix @ (row - fitted.mean) for row in new]))

    @all_three
    def test_float32_is_computed_in_float64(self, whitening):
        x = samples(offset=1e2, dtype=np.float32)

        fitted = whitening(x)

        expected = whitening(x.astype(np.float64))
        assert fitted.matrix.dtype == fitted.mean.dtype == np.float64
        assert np.array_equal(fitted.mean, expected.mean)
        assert np.array_equal(fitted.matrix, expected.matrix)

    @all_three
    @pytest.mark.parametrize("lay_out", **every_memory_layout)
    def test_strides_do_not_matter(self, whitening, lay_out):
        x = samples()

        assert_close(whitening(lay_out(x))(lay_out(x)), whitening(x)(x), condition=condition_of(x))

    @all_three
    def test_the_data_are_not_changed(self, whitening):
        (x,) = read_only(samples())

        whitening(x, eps=0.1)(x)
        covariance(x)
        standardize(x)


class TestPCA:
    def test_features_come_from_large_variance_to_small(self):
        x = samples()

        w = pca_whitening(x).matrix

        # W @ W.T = diag(1 / lam): the rows are orthogonal, and the variance falls.
        expected = np.diag(1 / np.linalg.eigvalsh(covariance(x))[::-1])
        assert_close(w @ w.T, expected, condition=condition_of(x))

    @pytest.mark.parametrize("seed", range(8))
    def test_the_largest_component_of_each_axis_is_positive(self, seed):
        w = pca_whitening(samples(seed=seed)).matrix

        assert (w[np.arange(4), np.argmax(np.abs(w), axis=1)] > 0).all()

    def test_eps_leaves_the_axes_and_shortens_them(self):
        x, eps = samples(), 0.5
        lam = np.linalg.eigvalsh(covariance(x))[::-1]

        with_eps, without = pca_whitening(x, eps).matrix, pca_whitening(x).matrix

        assert_close(with_eps, without * np.sqrt(lam / (lam + eps))[:, None], condition=condition_of(x))


class TestZCA:
    @pytest.mark.parametrize("eps", [0.0, 0.5])
    def test_the_matrix_is_the_symmetric_inverse_root_of_the_covariance(self, eps):
        x = samples()

        w = zca_whitening(x, eps).matrix

        assert_close(w, w.T)
        assert (np.linalg.eigvalsh(w) > 0).all()
        assert_close(w @ w @ (covariance(x) + eps * np.eye(4)), np.eye(4), condition=condition_of(x))

    def test_no_other_whitening_moves_the_data_less(self):
        x, rng = samples(), np.random.default_rng(1)
        centered = x - x.mean(axis=0)
        z = zca_whitening(x)(x)

        def moved(z):
            return np.mean((z - centered) ** 2)

        rotations = [np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(20)]
        others = [pca_whitening(x)(x), cholesky_whitening(x)(x), *(z @ rotation for rotation in rotations)]
        assert all(moved(z) < moved(other) for other in others)


class TestCholesky:
    @pytest.mark.parametrize("eps", [0.0, 0.5])
    def test_the_matrix_is_lower_triangular_with_a_positive_diagonal(self, eps):
        w = cholesky_whitening(samples(), eps).matrix

        assert not np.triu(w, k=1).any()
        assert (np.diag(w) > 0).all()

    def test_later_features_leave_the_first_ones_alone(self):
        x = samples()

        few, all_four = cholesky_whitening(x[:, :2]), cholesky_whitening(x)

        assert_close(few.matrix, all_four.matrix[:2, :2], condition=condition_of(x))


class TestRank:
    """With ``eps=0`` the covariance must have full rank; with ``eps > 0`` anything goes."""

    @in_both_precisions
    @all_three
    @pytest.mark.parametrize("offset", OFFSETS)
    @pytest.mark.parametrize("make", RANK_DEFICIENT)
    def test_without_eps_rounding_noise_is_not_divided_by(self, make, offset, whitening, dtype):
        x, rank = make(offset, dtype)
        message = f"x with shape {x.shape} has rank {rank}, expected {x.shape[1]} with eps=0"

        with pytest.raises(ValueError, match=re.escape(message)):
            whitening(x)

    @in_both_precisions
    @all_three
    @pytest.mark.parametrize("offset", OFFSETS)
    @pytest.mark.parametrize("make", RANK_DEFICIENT)
    def test_with_eps_every_data_set_can_be_whitened(self, make, offset, whitening, dtype):
        (x, _), eps = make(offset, dtype), 0.1

        w = whitening(x, eps).matrix

        sigma = covariance(x) + eps * np.eye(x.shape[1])
        assert_close(w @ sigma @ w.T, np.eye(x.shape[1]), condition=np.linalg.cond(sigma))

    @all_three
    @pytest.mark.parametrize("make", [with_constant, with_duplicate, with_sum, fewer_samples_than_features])
    def test_eps_below_the_rounding_noise_is_refused(self, make, whitening):
        x = 1e8 * make(0.0, np.float64)[0]

        with pytest.raises(ValueError, match=r"with eps=1e-05 .* pass an eps well above"):
            whitening(x, eps=1e-5)

    @in_both_precisions
    @all_three
    @pytest.mark.parametrize("offset", OFFSETS)
    @pytest.mark.parametrize("n", [5, 40, 1000])
    def test_large_means_are_not_mistaken_for_a_lack_of_rank(self, n, offset, whitening, dtype):
        assert whitening(samples(n, offset=offset, dtype=dtype)).matrix.shape == (4, 4)

    @all_three
    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_the_unit_of_measurement_does_not_matter(self, whitening, scale):
        x = samples()

        assert_close(whitening(scale * x).matrix * scale, whitening(x).matrix, condition=condition_of(x))

    @all_three
    def test_features_of_very_different_spread_have_full_rank(self, whitening):
        x = samples() * np.array([1.0, 1e-2, 1e-4, 1e-6])

        w = whitening(x).matrix

        assert_close(w @ covariance(x) @ w.T, np.eye(4), condition=condition_of(x))


class TestCovariance:
    @pytest.mark.parametrize("offset", OFFSETS)
    def test_it_is_that_of_numpy_divided_by_n(self, offset):
        x = samples(offset=offset)

        condition = condition_of(x) if offset else 1.0
        assert_close(covariance(x), np.cov(x, rowvar=False, bias=True), condition=condition)

    @in_both_precisions
    def test_large_means_do_not_cancel(self, dtype):
        x = samples(offset=1e6, dtype=dtype)

        # The mean of float32 values is exact enough in float64, and so the rest is too.
        shifted = (x - dtype(1e6)).astype(np.float64)
        assert_close(covariance(x), covariance(shifted), condition=4)

    def test_it_is_symmetric_and_float64(self):
        sigma = covariance(samples(dtype=np.float32))

        assert sigma.dtype == np.float64
        assert np.array_equal(sigma, sigma.T)


class TestStandardize:
    @pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
    @pytest.mark.parametrize("offset", OFFSETS)
    def test_means_are_zero_and_variances_one(self, offset, eps):
        x = samples(offset=offset)

        z = standardize(x, eps)

        condition = condition_of(x)
        assert_close(z.mean(axis=0), np.zeros(4), condition=condition, scale=1.0)
        assert_close(z.var(axis=0), x.var(axis=0) / (x.var(axis=0) + eps), condition=condition)

    def test_correlations_stay(self):
        x = samples()

        assert_close(covariance(standardize(x)), np.corrcoef(x, rowvar=False))

    def test_the_dtype_stays(self):
        x = samples(offset=1e4, dtype=np.float32)

        z = standardize(x)

        assert z.dtype == np.float32
        assert_close(z, standardize(x.astype(np.float64)))

    @in_both_precisions
    @pytest.mark.parametrize("offset", OFFSETS)
    def test_a_constant_feature_needs_eps(self, offset, dtype):
        x, _ = with_constant(offset, dtype)

        with pytest.raises(ValueError, match=r"feature 4 is constant, .*; expected eps above zero"):
            standardize(x)
        assert_close(standardize(x, eps=0.1)[:, 4], np.zeros(40), condition=1 + offset, scale=1.0)


class TestErrors:
    @pytest.mark.parametrize("function", [*WHITENINGS, standardize, covariance, pca_whitening(samples())])
    @pytest.mark.parametrize(
        ("x", "error", "message"),
        [
            (np.zeros((4, 4), dtype=np.int64), TypeError, "x has dtype int64, expected a floating dtype"),
            (np.zeros((4, 4), dtype=complex), TypeError, "x has dtype complex128, expected real numbers"),
            (np.zeros(4), ValueError, "x has shape (4,), expected (N, "),
            (np.zeros((2, 4, 4)), ValueError, "x has shape (2, 4, 4), expected (N, "),
            (np.zeros((0, 4)), ValueError, "x has shape (0, 4), expected (N, "),
            (np.zeros((4, 0)), ValueError, "x has shape (4, 0), expected (N, "),
            (np.full((4, 4), np.nan), ValueError, "x holds NaN or infinite values, expected finite numbers"),
            (np.full((4, 4), np.inf), ValueError, "x holds NaN or infinite values, expected finite numbers"),
        ],
        ids=["int", "complex", "1-D", "3-D", "no samples", "no features", "NaN", "infinite"],
    )
    def test_data_are_finite_real_samples_in_rows(self, function, x, error, message):
        with pytest.raises(error, match=re.escape(message)):
            function(x)

    @pytest.mark.parametrize("function", [*WHITENINGS, standardize])
    @pytest.mark.parametrize("eps", [-1e-5, np.inf, np.nan])
    def test_eps_must_be_finite_and_not_negative(self, function, eps):
        with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
            function(samples(), eps)

    @all_three
    def test_new_data_have_the_features_of_the_old(self, whitening):
        message = "x has shape (7, 3), expected (N, 4): one row for each sample"

        with pytest.raises(ValueError, match=re.escape(message)):
            whitening(samples())(samples(7, 3))
