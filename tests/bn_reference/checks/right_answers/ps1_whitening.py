"""Right answers to `ps1_whitening`, but for its gradient steps."""

import numpy as np


def standardize_with_np_var(x, eps=1e-5):
    mean, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + eps)
    return (x - mean) / std, mean, std


def standardize_with_loops(x, eps=1e-5):
    n, d = x.shape
    z, mean, std = np.zeros((n, d)), np.zeros(d), np.zeros(d)
    for k in range(d):
        mean[k] = sum(float(value) for value in x[:, k]) / n
        std[k] = (sum((float(value) - mean[k]) ** 2 for value in x[:, k]) / n + eps) ** 0.5
        for i in range(n):
            z[i, k] = (x[i, k] - mean[k]) / std[k]
    return z, mean, std


def standardize_in_place_on_a_copy(x, eps=1e-5):
    z = np.array(x, dtype=float)
    mean = z.mean(0)
    z -= mean
    std = np.sqrt(np.mean(z**2, 0) + eps)
    z /= std
    return z, mean, std


def standardize_with_einsum(x, eps=1e-5):
    mean = np.einsum("nd->d", x) / len(x)
    centered = x - mean
    std = np.hypot(np.sqrt(np.einsum("nd,nd->d", centered, centered) / len(x)), np.sqrt(eps))
    return np.einsum("nd,d->nd", centered, 1 / std), mean, std


def standardize_column_by_column(x, eps=1e-5):
    columns = [np.asarray(column, float) for column in x.T]
    mean = [column.mean() for column in columns]
    std = [np.sqrt(column.std() ** 2 + eps) for column in columns]
    z = np.stack([(c - m) / s for c, m, s in zip(columns, mean, std, strict=True)], axis=1)
    return z, mean, std


def standardize_with_torch(x, eps=1e-5):
    import torch

    values = torch.from_numpy(np.ascontiguousarray(x)).double()
    var, mean = torch.var_mean(values, 0, correction=0)
    return (values - mean) / torch.sqrt(var + eps), mean, torch.sqrt(var + eps)


def covariance_with_matmul(x):
    centered = x - x.mean(axis=0)
    return centered.T @ centered / len(x), centered.T @ centered / (len(x) - 1)


def covariance_with_np_cov(x):
    return np.cov(x, rowvar=False, bias=True), np.cov(x.T)


def covariance_with_einsum(x):
    n = x.shape[0]
    centered = x - np.mean(x, 0, keepdims=True)
    products = np.einsum("ij,ik->jk", centered, centered)
    return products / n, products / (n - 1)


def covariance_as_a_sum_of_outer_products(x):
    n, d = x.shape
    mean, sigma = sum(x) / n, np.zeros((d, d))
    for row in x:
        sigma += np.outer(row - mean, row - mean)
    return [sigma / n, sigma / (n - 1)]


def covariance_with_loops(x):
    n, d = x.shape
    columns = [x[:, k] - x[:, k].mean() for k in range(d)]
    sigma = [[(a * b).mean() for b in columns] for a in columns]
    unbiased = [[float((a * b).sum()) / (n - 1) for b in columns] for a in columns]
    return sigma, unbiased


def covariance_by_broadcasting(x):
    centered = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    sigma = (centered[:, :, None] * centered[:, None, :]).mean(0)
    return sigma, sigma + sigma / (len(x) - 1)


def _covariance(x):
    centered = x - x.mean(0)
    return centered.T @ centered / len(x)


def pca_with_eigh(x, eps=1e-5):
    lam, u = np.linalg.eigh(_covariance(x))
    lam, u = lam[::-1], u[:, ::-1]
    w = np.diag(1 / np.sqrt(lam + eps)) @ u.T
    return lam, w, (x - x.mean(0)) @ w.T


def pca_with_svd_of_the_covariance(x, eps=1e-5):
    u, lam, _ = np.linalg.svd(_covariance(x))
    w = (u / np.sqrt(lam + eps)).T
    return lam, w, np.einsum("kj,nj->nk", w, x - x.mean(0))


def pca_with_svd_of_the_data(x, eps=1e-5):
    centered = np.asarray(x, float) - x.mean(0, dtype=float)
    _, s, vt = np.linalg.svd(centered)
    lam = np.zeros(x.shape[1])
    lam[: len(s)] = s**2 / len(x)
    w = -vt / np.sqrt(lam + eps)[:, None]
    return lam, w, centered @ w.T


def pca_axis_by_axis(x, eps=1e-5):
    sigma = _covariance(x)
    lam, u = np.linalg.eigh(sigma)
    order = sorted(range(len(lam)), key=lambda k: -lam[k])
    axes = [u[:, k] * (-1) ** k for k in order]
    lam = np.array([axis @ sigma @ axis for axis in axes])
    w = np.stack([axis / np.sqrt(value + eps) for axis, value in zip(axes, lam, strict=True)])
    return lam, w, np.array([[row @ (sample - x.mean(0)) for row in w] for sample in x])


def pca_projected_then_scaled(x, eps=1e-5):
    lam, u = np.linalg.eigh(np.cov(x.T, bias=True))
    lam, u = np.flip(lam), np.fliplr(u)
    std = np.sqrt(np.maximum(lam, 0) + eps)
    z = (x - x.mean(0)) @ u / std
    return lam, (u / std).T, z


def pca_with_torch(x, eps=1e-5):
    import torch

    values = torch.from_numpy(np.ascontiguousarray(x)).double()
    values = values - values.mean(0)
    lam, u = torch.linalg.eigh(values.T @ values / len(values))
    lam, u = lam.flip(0), u.flip(1)
    w = u.T / (lam + eps).sqrt()[:, None]
    return lam, w, values @ w.T


def zca_with_eigh(x, eps=1e-5):
    lam, u = np.linalg.eigh(_covariance(x))
    w = u @ np.diag((lam + eps) ** -0.5) @ u.T
    return w, (x - x.mean(0)) @ w


def zca_with_eps_on_the_diagonal(x, eps=1e-5):
    sigma = _covariance(x)
    sigma[np.diag_indices_from(sigma)] += eps
    u, lam, vt = np.linalg.svd(sigma)
    w = (u / np.sqrt(lam)) @ vt
    return w, (x - x.mean(0)) @ w.T


def zca_as_a_sum_over_axes(x, eps=1e-5):
    lam, u = np.linalg.eigh(_covariance(x))
    w = sum(np.outer(axis, axis) / np.sqrt(value + eps) for value, axis in zip(lam, u.T, strict=True))
    return w, (w @ (x - x.mean(0)).T).T


def zca_after_pca(x, eps=1e-5):
    lam, w, z = pca_with_svd_of_the_data(x, eps)
    u = w.T * np.sqrt(lam + eps)
    return u @ w, z @ u.T


def zca_inverting_the_root(x, eps=1e-5):
    lam, u = np.linalg.eigh(np.cov(x, rowvar=False, ddof=0) + eps * np.identity(x.shape[1]))
    root = np.einsum("ik,k,jk->ij", u, np.sqrt(lam), u)
    w = np.linalg.inv(root)
    return w, x @ w - x.mean(0) @ w


def cholesky_with_inv(x, eps=1e-5):
    w = np.linalg.inv(np.linalg.cholesky(_covariance(x) + eps * np.eye(x.shape[1])))
    return w, (x - x.mean(0)) @ w.T


def cholesky_with_solve(x, eps=1e-5):
    d = x.shape[1]
    lower = np.linalg.cholesky(np.cov(x.T, ddof=0) + np.diag([eps] * d))
    w = np.linalg.solve(lower, np.eye(d))
    return w, np.linalg.solve(lower, (x - x.mean(0)).T).T


def cholesky_by_hand(x, eps=1e-5):
    sigma = _covariance(np.asarray(x, float)) + eps * np.eye(x.shape[1])
    d = len(sigma)
    lower = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1):
            rest = sigma[i, j] - lower[i, :j] @ lower[j, :j]
            lower[i, j] = np.sqrt(rest) if i == j else rest / lower[j, j]
    w = np.linalg.inv(lower)
    return w, (x - x.mean(0)) @ w.T


def cholesky_with_upper_factor(x, eps=1e-5):
    upper = np.linalg.cholesky(_covariance(x) + eps * np.eye(x.shape[1])).T
    w = np.linalg.inv(upper).T
    return [w, np.array([w @ row for row in x - x.mean(0)])]


def cholesky_with_qr(x, eps=1e-5):
    n, d = x.shape
    centered = (x - x.mean(0)).astype(float)
    _, r = np.linalg.qr(np.vstack([centered / np.sqrt(n), np.sqrt(eps) * np.eye(d)]))
    r = r * np.sign(np.diag(r))[:, None]
    w = np.linalg.inv(r).T
    return w, centered @ w.T


def kept_with_corrcoef(x, z):
    d = x.shape[1]
    rho = np.corrcoef(x.T, z.T)[:d, d:]
    apart = (x - x.mean(0)) - (z - z.mean(0))
    return rho, np.mean(np.sum(apart**2, axis=1))


def kept_of_standardised(x, z):
    cx, cz = x - x.mean(0), z - z.mean(0)
    rho = (cx / cx.std(0)).T @ (cz / cz.std(0)) / len(x)
    return rho, np.linalg.norm(cx - cz) ** 2 / len(x)


def kept_with_unbiased_throughout(x, z):
    n = len(x)
    cx, cz = x - np.mean(x, 0), z - np.mean(z, 0)
    cross = np.einsum("nj,nk->jk", cx, cz) / (n - 1)
    rho = cross / x.std(0, ddof=1)[:, None] / z.std(0, ddof=1)[None, :]
    return rho, sum(((a - b) ** 2).sum() for a, b in zip(cx, cz, strict=True)) / n


def kept_with_loops(x, z):
    d = x.shape[1]
    cx, cz = x - x.mean(0), z - z.mean(0)
    rho, moved = np.empty((d, d)), 0.0
    for j in range(d):
        for k in range(d):
            a, b = cx[:, j], cz[:, k]
            rho[j, k] = (a @ b) / np.sqrt((a @ a) * (b @ b))
        moved += ((cx[:, j] - cz[:, j]) ** 2).mean()
    return rho, moved


def kept_as_cosines(x, z):
    cx, cz = (np.array(a, float) - a.mean(0, dtype=float) for a in (x, z))
    unit_x, unit_z = cx / np.linalg.norm(cx, axis=0), cz / np.linalg.norm(cz, axis=0)
    return unit_x.T @ unit_z, np.trace((cx - cz) @ (cx - cz).T) / len(x)


def limits_with_matrix_rank(x, eps):
    m, d = x.shape
    sigma = _covariance(x)
    lam = np.linalg.eigvalsh(sigma)[::-1]
    ratio = (m * d**2 + d**3 + m * d**2) / (m * d)
    return np.linalg.matrix_rank(sigma, hermitian=True), lam / (lam + eps), ratio


def limits_with_svd(x, eps):
    m, d = x.shape
    s = np.linalg.svd(x - x.mean(0), compute_uv=False)
    lam = np.zeros(d)
    lam[: len(s)] = s**2 / m
    return np.sum(lam > 1e-12), lam / (lam + eps), (2 * m * d * d + d**3) / m / d


def limits_by_whitening(x, eps):
    _, z = zca_with_eigh(x, eps)
    variances = sorted(np.linalg.eigvalsh(np.cov(z.T, bias=True)), reverse=True)
    m, d = x.shape
    return sum(v > 1e-10 for v in variances), variances, 2 * d + d**2 / m


def limits_by_pca(x, eps):
    m, d = x.shape
    _, _, z = pca_with_eigh(x, eps)
    return np.linalg.matrix_rank(x - x.mean(0)), z.var(0), (m * d * d * 2 + d * d * d) / (m * d)


def limits_one_by_one(x, eps):
    m, d = len(x), len(x[0])
    values = np.sort(np.abs(np.linalg.eigvalsh(np.cov(x, rowvar=False, ddof=0))))[::-1]
    rank = len([value for value in values if value > 1e-9 * values[0]])
    return float(rank), [1 / (1 + eps / v) if v > 0 else 0.0 for v in values], d * (2 + d / m)


RIGHT_ANSWERS = {
    "standardize": (
        standardize_with_np_var,
        standardize_with_loops,
        standardize_in_place_on_a_copy,
        standardize_with_einsum,
        standardize_column_by_column,
        standardize_with_torch,
    ),
    "covariance": (
        covariance_with_matmul,
        covariance_with_np_cov,
        covariance_with_einsum,
        covariance_as_a_sum_of_outer_products,
        covariance_with_loops,
        covariance_by_broadcasting,
    ),
    "pca_whitening": (
        pca_with_eigh,
        pca_with_svd_of_the_covariance,
        pca_with_svd_of_the_data,
        pca_axis_by_axis,
        pca_projected_then_scaled,
        pca_with_torch,
    ),
    "zca_whitening": (
        zca_with_eigh,
        zca_with_eps_on_the_diagonal,
        zca_as_a_sum_over_axes,
        zca_after_pca,
        zca_inverting_the_root,
    ),
    "cholesky_whitening": (
        cholesky_with_inv,
        cholesky_with_solve,
        cholesky_by_hand,
        cholesky_with_upper_factor,
        cholesky_with_qr,
    ),
    "what_is_kept": (
        kept_with_corrcoef,
        kept_of_standardised,
        kept_with_unbiased_throughout,
        kept_with_loops,
        kept_as_cosines,
    ),
    "whitening_limits": (
        limits_with_matrix_rank,
        limits_with_svd,
        limits_by_whitening,
        limits_by_pca,
        limits_one_by_one,
    ),
}
