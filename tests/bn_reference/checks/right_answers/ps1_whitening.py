"""Right answers to `ps1_whitening`."""

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
}
