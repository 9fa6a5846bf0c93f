"""Do the checks of problem set 1 see through wrong answers that nobody wrote from a formula of theirs?"""

import numpy as np
import pytest

from bn_reference.checks import report
from bn_reference.checks.spec import INTERFACE
from tests.bn_reference.checks.right_answers import ps1_whitening as right


def axes(x, ddof=0):
    """Eigenvalues and eigenvectors by the SVD of the data: other signs and other rounding than eigh's."""
    centered = x - x.mean(0)
    _, s, vt = np.linalg.svd(centered)
    lam = np.zeros(x.shape[1])
    lam[: len(s)] = s**2 / (len(x) - ddof)
    return centered, lam, vt.T


def ascending(x, eps):
    lam, w, z = right.pca_with_svd_of_the_data(x, eps)
    return lam[::-1], w[::-1], z[:, ::-1]


def divides_by_n_minus_1(x, eps):
    centered, lam, u = axes(x, ddof=1)
    w = (u / np.sqrt(lam + eps)).T
    return lam, w, centered @ w.T


def transposed_but_z_is_right(x, eps):
    lam, w, z = right.pca_with_svd_of_the_data(x, eps)
    return lam, w.T, z


def transposed_throughout(x, eps):
    centered, lam, u = axes(x)
    w = u / np.sqrt(lam + eps)
    return lam, w, centered @ w.T


def ascending_and_transposed(x, eps):
    lam, u = np.linalg.eigh(np.cov(x.T, bias=True))
    w = u / np.sqrt(lam + eps)
    return lam, w, (x - x.mean(0)) @ w


def n_minus_1_and_no_column_axis(x, eps):
    centered, lam, u = axes(x, ddof=1)
    w = u.T / np.sqrt(lam + eps)
    return lam, w, centered @ w.T


def columns_taken_for_rows(x, eps):
    centered, lam, u = axes(x)
    w = np.diag((lam + eps) ** -0.5) @ u
    return lam, w, centered @ w.T


def eps_left_out(x, eps):
    centered, lam, u = axes(x)
    with np.errstate(all="ignore"):
        w = (u / np.sqrt(lam)).T
        return lam, w, centered @ w.T


def divided_by_eigenvalues(x, eps):
    centered, lam, u = axes(x)
    w = (u / (lam + eps)).T
    return lam, w, centered @ w.T


def vectors_left_in_order_of_eigh(x, eps):
    centered, lam, _ = axes(x)
    _, u = np.linalg.eigh(centered.T @ centered)
    w = (u / np.sqrt(lam + eps)).T
    return lam, w, centered @ w.T


def zca_left_at_pca(x, eps):
    _, w, z = right.pca_with_svd_of_the_data(x, eps)
    return w, z


def zca_inside_out(x, eps):
    centered, lam, u = axes(x)
    w = u.T @ np.diag(1 / np.sqrt(lam + eps)) @ u
    return w, centered @ w.T


def zca_of_each_entry(x, eps):
    centered = x - x.mean(0)
    with np.errstate(all="ignore"):
        w = 1 / np.sqrt(centered.T @ centered / len(x) + eps * np.eye(x.shape[1]))
        return w, centered @ w.T


def zca_with_eps_everywhere(x, eps):
    centered = x - x.mean(0)
    lam, u = np.linalg.eigh(centered.T @ centered / len(x) + eps)
    with np.errstate(all="ignore"):
        w = u / np.sqrt(lam) @ u.T
        return w, centered @ w.T


def cholesky_without_inverse(x, eps):
    centered = x - x.mean(0)
    w = np.linalg.cholesky(centered.T @ centered / len(x) + eps * np.eye(x.shape[1]))
    return w, centered @ w.T


def cholesky_of_the_precision(x, eps):
    centered = x - x.mean(0)
    precision = np.linalg.inv(centered.T @ centered / len(x) + eps * np.eye(x.shape[1]))
    w = np.linalg.cholesky(precision).T
    return w, centered @ w.T


def cholesky_upper(x, eps):
    w, z = right.cholesky_with_qr(x, eps)
    return w.T, z


def pca_not_centred(x, eps):
    lam, u = np.linalg.eigh(x.T @ x / len(x))
    lam, u = lam[::-1], u[:, ::-1]
    w = (u / np.sqrt(lam + eps)).T
    return lam, w, x @ w.T


def pca_of_a_sum(x, eps):
    centered, lam, u = axes(x)
    lam = lam * len(x)
    w = (u / np.sqrt(lam + eps)).T
    return lam, w, centered @ w.T


def pca_in_float32(x, eps):
    return right.pca_with_eigh(x.astype(np.float32), eps)


def zca_in_float32(x, eps):
    return right.zca_with_eigh(x.astype(np.float32), eps)


def cholesky_in_float32(x, eps):
    return right.cholesky_with_inv(x.astype(np.float32), eps)


def covariance_in_float32(x):
    return right.covariance_with_einsum(np.asarray(x, dtype="float32"))


def covariance_by_default(x):
    return np.cov(x, rowvar=False), np.cov(x, rowvar=False)


def covariance_of_samples(x):
    return np.cov(x, bias=True), np.cov(x)


def covariance_in_a_buffer_like_x(x):
    centered = np.zeros_like(x)
    for k in range(x.shape[1]):
        centered[:, k] = x[:, k] - x[:, k].mean()
    return centered.T @ centered / len(x), centered.T @ centered / (len(x) - 1)


def standardized_in_a_buffer_like_x(x, eps):
    z, mean, std = right.standardize_with_np_var(x, eps)
    buffer = np.empty_like(x)
    buffer[:] = z
    return buffer, mean, std


def standardized_in_float32(x, eps):
    return right.standardize_with_np_var(np.float32(x), eps)


def standardized_by_std_plus_eps(x, eps):
    mean, std = x.mean(0), x.std(0) + eps
    return (x - mean) / std, mean, std


def standardized_with_ddof(x, eps):
    mean, std = x.mean(0), np.sqrt(x.var(0, ddof=1) + eps)
    return (x - mean) / std, mean, std


def steps_at_twice_the_rate(h, w, fraction):
    lam = np.linalg.eigvalsh(h)
    rate, goal = 2 / lam[-1], fraction * (w @ h @ w)
    for steps in range(10_000):
        if w @ h @ w <= goal:
            return lam[-1] / lam[0], rate, steps
        w = w - rate * h @ w
    return lam[-1] / lam[0], rate, 10_000


def bias_that_stays(u, t, b, rate, steps):
    return np.full(steps + 1, b), np.full(steps + 1, np.mean((u - u.mean() - t) ** 2))


def loss_of_a_column(u, t, b, rate, steps):
    biases, _ = right.bias_with_lists(u, t, b, rate, steps)
    column = u[:, None] - u.mean()
    return biases, [np.mean((column - t) ** 2) for _ in biases]


def rank_by_eigenvalues_above_zero(x, eps):
    centered = x - x.mean(0)
    _, variances, ratio = right.limits_with_matrix_rank(x, eps)
    return np.sum(np.linalg.eigvalsh(centered.T @ centered / len(x)) + eps > 0), variances, ratio


WRONG = [
    ("pca_whitening", ascending, {"ascending_order"}),
    ("pca_whitening", divides_by_n_minus_1, {"lam_divides_by_n_minus_1"}),
    ("pca_whitening", transposed_but_z_is_right, {"transposed"}),
    ("pca_whitening", transposed_throughout, {"transposed"}),
    ("pca_whitening", ascending_and_transposed, {"ascending_order", "transposed"}),
    ("pca_whitening", n_minus_1_and_no_column_axis, {"lam_divides_by_n_minus_1", "columns_scaled"}),
    ("pca_whitening", columns_taken_for_rows, {"eigenvectors_as_rows"}),
    ("pca_whitening", eps_left_out, {"eps_missing"}),
    ("pca_whitening", divided_by_eigenvalues, {"divides_by_eigenvalue"}),
    ("pca_whitening", vectors_left_in_order_of_eigh, {"eigenvectors_not_reversed"}),
    ("zca_whitening", zca_left_at_pca, {"not_turned_back"}),
    ("zca_whitening", zca_inside_out, {"turned_the_wrong_way"}),
    ("zca_whitening", zca_of_each_entry, {"root_of_each_entry"}),
    ("zca_whitening", zca_with_eps_everywhere, {"eps_added_to_every_entry"}),
    ("cholesky_whitening", cholesky_without_inverse, {"factor_not_inverted"}),
    ("cholesky_whitening", cholesky_of_the_precision, {"last_feature_first"}),
    ("cholesky_whitening", cholesky_upper, {"transposed"}),
    ("pca_whitening", pca_not_centred, {"lam_not_centred", "covariance_not_centred", "z_not_centred"}),
    ("pca_whitening", pca_of_a_sum, {"lam_not_divided"}),
    ("pca_whitening", pca_in_float32, {"computed_in_float32"}),
    ("zca_whitening", zca_in_float32, {"computed_in_float32"}),
    ("cholesky_whitening", cholesky_in_float32, {"computed_in_float32"}),
    ("covariance", covariance_in_float32, {"computed_in_float32"}),
    ("covariance", covariance_by_default, {"sigma_divides_by_n_minus_1"}),
    ("covariance", covariance_of_samples, {"samples_taken_for_variables"}),
    ("covariance", covariance_in_a_buffer_like_x, {"integer_input_truncated"}),
    ("standardize", standardized_in_a_buffer_like_x, {"integer_input_truncated"}),
    ("standardize", standardized_in_float32, {"computed_in_float32"}),
    ("standardize", standardized_by_std_plus_eps, {"eps_outside_root"}),
    ("standardize", standardized_with_ddof, {"variance_divides_by_n_minus_1"}),
    ("steps_needed", steps_at_twice_the_rate, {"rate_at_the_limit"}),
    ("train_bias", bias_that_stays, {"true_gradient_taken"}),
    ("train_bias", loss_of_a_column, {"every_output_with_every_target"}),
    ("whitening_limits", rank_by_eigenvalues_above_zero, {"rank_with_eps"}),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "answer", "mistakes"), [pytest.param(*row, id=f"{row[0]}-{row[1].__name__}") for row in WRONG]
)
def test_wrong_answer_hears_its_mistake_however_it_is_written(name, answer, mistakes, seed):
    """Is the diagnosis right where signs, rounding and the way of computing are the learner's own?"""
    verdict = report(name, answer, seed)
    assert verdict.points(10) < 10
    assert set(verdict.mistakes) == mistakes, verdict


def failed(verdict):
    return [part.title for part in verdict.parts if not part.passed]


@pytest.mark.parametrize("seed", range(20))
def test_any_sign_of_an_axis_is_right(seed):
    """Does a learner who flips axes at will keep every point?"""
    rng = np.random.default_rng(seed)

    def flipped(x, eps):
        lam, w, _ = right.pca_with_eigh(x, eps)
        w = rng.choice([-1, 1], len(lam))[:, None] * w
        return lam, w, (x - x.mean(0)) @ w.T

    assert report("pca_whitening", flipped, seed).passed


@pytest.mark.parametrize("seed", range(20))
def test_any_basis_of_an_eigenspace_is_right(seed):
    """With few samples several eigenvalues are zero. May their axes be turned among themselves?"""
    rng = np.random.default_rng(seed)

    def turned(x, eps):
        lam, w, _ = right.pca_with_eigh(x, eps)
        flat = lam < 1e-9
        q, _ = np.linalg.qr(rng.standard_normal((flat.sum(), flat.sum())))
        w[flat] = q @ w[flat]
        return lam, w, (x - x.mean(0)) @ w.T

    assert report("pca_whitening", turned, seed).passed


@pytest.mark.parametrize("seed", range(20))
def test_axes_of_an_empty_space_need_no_right_angles(seed):
    """np.linalg.eig promises none. May unit vectors span the space without variance as they like?"""
    rng = np.random.default_rng(seed)

    def oblique(x, eps):
        lam, w, _ = right.pca_with_eigh(x, eps)
        empty = lam < 1e-9
        mixed = (np.eye(empty.sum()) + rng.uniform(0.2, 0.3)) @ w[empty]
        w[empty] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True) / np.sqrt(eps)
        return lam, w, (x - x.mean(0)) @ w.T

    assert report("pca_whitening", oblique, seed).passed


def test_an_empty_space_still_needs_its_axes():
    """Is w wrong whose rows there are zero, or all the same?"""

    def zero(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        w[lam < 1e-9] = 0
        return lam, w, z

    def repeated(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        w[lam < 1e-9] = w[-1]
        return lam, w, z

    part = "a constant feature, and fewer samples than features"
    assert part in failed(report("pca_whitening", zero))
    assert part in failed(report("pca_whitening", repeated))


def test_turning_axes_of_different_variance_is_wrong():
    """Is the freedom that of the mathematics, and no more?"""

    def turned(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        w[[0, 1]] = w[[1, 0]]
        z[:, [0, 1]] = z[:, [1, 0]]
        return lam, w, z

    verdict = report("pca_whitening", turned)
    assert "w, whose rows are the axes divided by sqrt(lam + eps)" in failed(verdict)


def test_flipping_w_but_not_z_is_wrong():
    """Do the signs of w and z have to agree?"""

    def flipped(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        return lam, w, z * np.where(np.arange(len(lam)) == 0, -1, 1) + 1e-3

    assert "z, from your w" in failed(report("pca_whitening", flipped))


def test_absolute_values_are_no_way_around_the_signs():
    """Does |w|, which has the right size everywhere, lose its points?"""

    def without_signs(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        return lam, np.abs(w), np.abs(z)

    verdict = report("pca_whitening", without_signs)
    assert verdict.points(6) < 3


@pytest.mark.parametrize("name", ["zca_whitening", "cholesky_whitening"])
def test_another_white_result_is_not_this_one(name):
    """Is it seen that z is white, but by another whitening than the one asked for?"""

    def another(x, eps):
        w, _ = right.zca_with_eigh(x, eps)
        q, _ = np.linalg.qr(np.arange(1, 1 + w.size).reshape(w.shape) % 7)
        return q @ w, (x - x.mean(0)) @ (q @ w).T

    assert any(title.startswith("w, ") for title in failed(report(name, another)))


def test_one_slip_in_the_order_costs_one_part():
    """Do w and z keep their points when the axes come smallest first?"""
    verdict = report("pca_whitening", ascending)
    assert failed(verdict)[0].startswith("lam")
    assert not any(title.startswith(("w,", "z,")) for title in failed(verdict))


def test_writing_into_x_costs_the_interface_part():
    """Is an answer that is right, but centres the caller's array, told so?"""

    def in_place(x, eps):
        w, z = right.zca_with_eigh(x, eps)
        if x.dtype.kind == "f":
            x -= x.mean(0)
        return w, z

    verdict = report("zca_whitening", in_place)
    assert failed(verdict) == [INTERFACE.title]
    assert verdict.parts[-1].problem == "x changed during the call"


def test_walking_into_the_callers_weights_costs_the_interface_part():
    """Is w -= rate * gradient seen?"""

    def in_place(h, w, rate, steps):
        result, losses = right.descend_with_a_list(h, w.copy(), rate, steps)
        w *= 2
        return result, losses

    assert failed(report("descend", in_place)) == [INTERFACE.title]


def test_products_that_cancel_fail_for_large_means_alone():
    """Is the covariance as a difference of products right but for the large means?"""

    def by_difference(x):
        n, mean = len(x), x.mean(0, dtype=float)
        products = x.astype(float).T @ x.astype(float)
        return products / n - np.outer(mean, mean), (products - n * np.outer(mean, mean)) / (n - 1)

    verdict = report("covariance", by_difference)
    assert failed(verdict) == ["features with a large mean"]
    assert any("Subtract the mean before you multiply" in sentence for sentence in verdict.advice)


def test_rank_is_counted_above_rounding_noise():
    """Does counting every eigenvalue that is not exactly zero lose points?"""

    def any_but_zero(x, eps):
        centered = x - x.mean(0)
        _, variances, ratio = right.limits_with_matrix_rank(x, eps)
        return np.count_nonzero(np.linalg.eigvalsh(centered.T @ centered)), variances, ratio

    assert "rank, the directions with variance" in failed(report("whitening_limits", any_but_zero))


def test_function_for_square_data_fails():
    """Is an answer caught whose broadcasting works for square x alone?"""

    def for_square_x(x, eps):
        mean, std = x.mean(0), np.sqrt(x.var(0) + eps)
        return (
            ((x.T - mean[:, None]).T / std if x.shape[0] != x.shape[1] else (x - mean[:, None]) / std),
            mean,
            std,
        )

    verdict = report("standardize", for_square_x)
    assert "z, from your mean and std" in failed(verdict)
    assert "as many samples as features" in next(part.where for part in verdict.parts if part.problem)
