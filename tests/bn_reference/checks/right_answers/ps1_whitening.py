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


def descend_with_a_list(h, w, rate, steps):
    losses = [0.5 * w @ h @ w]
    for _ in range(steps):
        w = w - rate * (h @ w)
        losses.append(0.5 * w @ h @ w)
    return w, np.array(losses)


def descend_into_an_array(h, w, rate, steps):
    losses = np.zeros(steps + 1)
    w = np.array(w, dtype=np.float64)
    for k in range(steps + 1):
        losses[k] = np.dot(w, np.dot(h, w)) / 2
        if k < steps:
            w -= rate * np.dot(h, w)
    return w, losses


def descend_with_a_matrix_power(h, w, rate, steps):
    step = np.eye(len(w)) - rate * h
    path = [np.linalg.matrix_power(step, k) @ w for k in range(steps + 1)]
    return path[-1], [np.einsum("i,ij,j", v, h, v) / 2 for v in path]


def descend_with_symmetrised_gradient(h, w, rate, steps):
    w, losses = w.astype(float), []
    for _ in range(steps):
        gradient = (h + h.T) @ w / 2
        losses += [float(w @ gradient) / 2]
        w = w - rate * gradient
    return w, np.array([*losses, (w * (h @ w)).sum() / 2])


def descend_with_torch(h, w, rate, steps):
    import torch

    h = torch.from_numpy(np.ascontiguousarray(h)).double()
    w = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    losses = []
    for _ in range(steps + 1):
        loss = w @ h @ w / 2
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, w)
        last = w
        w = (w - rate * gradient).detach().requires_grad_()
    return last.detach(), losses


def needed_with_a_while(h, w, fraction):
    lam = np.linalg.eigvalsh(h)
    rate, steps, start = 1 / lam[-1], 0, 0.5 * w @ h @ w
    while 0.5 * w @ h @ w > fraction * start:
        w = w - rate * (h @ w)
        steps += 1
    return lam[-1] / lam[0], rate, steps


def needed_with_cond(h, w, fraction):
    rate = 1 / np.linalg.norm(h, 2)
    losses = descend_with_a_list(h, w, rate, 2_000)[1]
    return np.linalg.cond(h), rate, np.argmax(losses <= fraction * losses[0])


def needed_with_a_for(h, w, fraction):
    lam = np.linalg.eigh(h)[0]
    goal, rate = fraction * (w @ h @ w), 1 / max(lam)
    for steps in range(10_000):
        if w @ h @ w <= goal:
            return max(lam) / min(lam), rate, steps
        w = w - rate * h @ w


def needed_along_the_axes(h, w, fraction):
    lam, u = np.linalg.eigh(h)
    c, rate, steps = u.T @ w, 1.0 / lam.max(), 0
    energy = lam * c**2
    total = energy.sum()
    while energy.sum() / total > fraction:
        energy = energy * (1 - rate * lam) ** 2
        steps += 1
    return lam.max() / lam.min(), rate, np.array(steps)


def needed_with_svd(h, w, fraction):
    s = np.linalg.svd(h, compute_uv=False)
    losses = [w @ h @ w]
    while losses[-1] > fraction * losses[0]:
        w = w - h @ w / s[0]
        losses.append(w @ h @ w)
    return s[0] / s[-1], 1 / s[0], float(len(losses) - 1)


def bias_with_lists(u, t, b, rate, steps):
    biases, losses = [], []
    for _ in range(steps + 1):
        x_hat = (u + b) - np.mean(u + b)
        biases.append(b)
        losses.append(np.mean((x_hat - t) ** 2))
        b = b - rate * np.mean(2 * (x_hat - t))
    return np.array(biases), np.array(losses)


def bias_into_arrays(u, t, b, rate, steps):
    biases, losses = np.zeros(steps + 1), np.zeros(steps + 1)
    biases[0] = b
    for k in range(steps + 1):
        x = u + biases[k]
        off = x - x.mean() - t
        losses[k] = (off**2).mean()
        if k < steps:
            biases[k + 1] = biases[k] - 2 * rate * off.mean()
    return biases, losses


def bias_in_float64(u, t, b, rate, steps):
    biases, losses = bias_with_lists(u.astype(float), t.astype(float), b, rate, steps)
    return biases.tolist(), losses.tolist()


def bias_with_dot_products(u, t, b, rate, steps):
    n = len(u)
    biases, losses = [b], []
    while True:
        off = u + biases[-1] - (u + biases[-1]) @ np.ones(n) / n - t
        losses.append(off @ off / n)
        if len(losses) > steps:
            return np.array(biases), np.array(losses)
        biases.append(biases[-1] - rate * sum(2 * value / n for value in off))


def bias_with_torch(u, t, b, rate, steps):
    import torch

    u, t = torch.from_numpy(u).double(), torch.from_numpy(t).double()
    b = torch.tensor(b, dtype=torch.float64, requires_grad=True)
    biases, losses = [], []
    for _ in range(steps + 1):
        x = u + b
        loss = ((x - x.mean().detach() - t) ** 2).mean()
        biases.append(b.item())
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, b)
        b = (b - rate * gradient).detach().requires_grad_()
    return biases, losses


def bias_by_the_formula(u, t, b, rate, steps):
    biases = b + 2 * rate * np.mean(t) * np.arange(steps + 1)
    return biases, [np.mean((u - u.mean() - t) ** 2)] * (steps + 1)


def closed_by_the_formula(u, t, b, rate, steps):
    return b + 2 * rate * steps * t.mean(), np.mean((u - u.mean() - t) ** 2), 0


def closed_with_moments(u, t, b, rate, steps):
    centered, t = u - u.mean(), np.asarray(t, float)
    loss = centered.var() + t.var() + t.mean() ** 2 - 2 * np.mean(centered * t)
    return b - steps * rate * (-2 * t.sum() / len(t)), loss, 0.0


def closed_with_the_chain_rule(u, t, b, rate, steps):
    x_hat = (u + b) - np.mean(u + b)
    off = 2 * (x_hat - t) / len(u)
    gradient = np.sum(off * (1 - np.ones(len(u)).mean()))
    return b - rate * steps * off.sum(), np.mean((x_hat - t) ** 2), gradient


def closed_by_running_it(u, t, b, rate, steps):
    biases, losses = bias_with_lists(u, t, b, rate, steps)
    return biases[-1], losses[-1], 0.0


def closed_in_arrays(u, t, b, rate, steps):
    u, t = np.float64(u), np.float64(t)
    off = u - np.average(u) - t
    slope = off.mean() - off.mean()
    return np.array(b + 2 * rate * np.average(t) * steps), np.dot(off, off) / u.size, slope


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
    "descend": (
        descend_with_a_list,
        descend_into_an_array,
        descend_with_a_matrix_power,
        descend_with_symmetrised_gradient,
        descend_with_torch,
    ),
    "steps_needed": (
        needed_with_a_while,
        needed_with_cond,
        needed_with_a_for,
        needed_along_the_axes,
        needed_with_svd,
    ),
    "train_bias": (
        bias_with_lists,
        bias_into_arrays,
        bias_in_float64,
        bias_with_dot_products,
        bias_with_torch,
        bias_by_the_formula,
    ),
    "bias_in_closed_form": (
        closed_by_the_formula,
        closed_with_moments,
        closed_with_the_chain_rule,
        closed_by_running_it,
        closed_in_arrays,
    ),
    "whitening_limits": (
        limits_with_matrix_rank,
        limits_with_svd,
        limits_by_whitening,
        limits_by_pca,
        limits_one_by_one,
    ),
}
