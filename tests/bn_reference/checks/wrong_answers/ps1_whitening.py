"""Wrong answers to `ps1_whitening`, with other signs and other rounding than the specs have."""

import numpy as np

from tests.bn_reference.checks.right_answers import ps1_whitening as right
from tests.bn_reference.checks.right_answers.ps1_gradient_steps import bias_with_lists


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


def zca_left_at_pca_as_eigh_has_it(x, eps):
    _, w, z = ascending(x, eps)
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
    biases, _ = bias_with_lists(u, t, b, rate, steps)
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
    ("zca_whitening", zca_left_at_pca_as_eigh_has_it, {"not_turned_back"}),
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
"""The graded function, an answer, and the names of the mistakes in it."""
