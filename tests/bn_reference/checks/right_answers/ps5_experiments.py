"""Right answers to `ps5_experiments`."""

import numpy as np


def percentiles_in_one_call(history, unit):
    return np.percentile(history[:, :, unit], [15, 50, 85], axis=1).T


def percentiles_with_a_loop(history, unit):
    out = np.zeros((len(history), 3))
    for t, step in enumerate(history):
        for k, level in enumerate((15, 50, 85)):
            out[t, k] = np.percentile(step[:, unit], level)
    return out


def percentiles_as_quantiles(a, j):
    return np.stack([np.quantile(a[..., j], q, axis=-1) for q in (0.15, 0.5, 0.85)], axis=-1)


def percentiles_of_all_units_first(history, unit):
    return np.moveaxis(np.percentile(history, (15, 50, 85), axis=1), 0, -1)[:, unit]


def percentiles_by_sorting(history, unit):
    values = np.sort(history[:, :, unit].astype(np.float64), axis=1)
    last = values.shape[1] - 1
    columns = []
    for level in (0.15, 0.5, 0.85):
        low = int(np.floor(level * last))
        part = level * last - low
        columns.append((1 - part) * values[:, low] + part * values[:, min(low + 1, last)])
    return np.column_stack(columns)


def sweep_with_std(accuracies):
    return accuracies.mean(1), accuracies.std(1, ddof=1) / np.sqrt(accuracies.shape[1])


def sweep_with_loops(accuracies):
    means, errors = [], []
    for runs in accuracies.astype(np.float64):
        n = len(runs)
        mean = sum(runs) / n
        means.append(mean)
        errors.append((sum((r - mean) ** 2 for r in runs) / (n - 1) / n) ** 0.5)
    return np.array(means), np.array(errors)


def sweep_with_var(table):
    return np.mean(table, axis=1), np.sqrt(np.var(table, axis=1, ddof=1) / len(table[0]))


def sweep_with_einsum(accuracies):
    n = accuracies.shape[1]
    mean = np.einsum("ij->i", accuracies) / n
    away = accuracies - mean[:, None]
    return mean, np.sqrt(np.einsum("ij,ij->i", away, away) / (n * (n - 1)))


def sweep_transposed(accuracies):
    runs = accuracies.T.copy()
    mean = runs.sum(axis=0) / len(runs)
    runs -= mean
    return mean, np.linalg.norm(runs, axis=0) / np.sqrt(len(runs) - 1) / np.sqrt(len(runs))


def scales_with_a_loop(x, weights, normalize):
    scales = []
    for w in weights:
        x = x @ w
        if normalize:
            x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
        x = np.maximum(x, 0)
        scales.append(np.sqrt((x**2).mean()))
    return np.array(scales)


def scales_with_where(inputs, layers, bn):
    h, out = inputs.astype(np.float64), np.empty(len(layers))
    for k in range(len(layers)):
        h = np.einsum("nd,de->ne", h, layers[k])
        if bn:
            mu = h.sum(0) / len(h)
            h = (h - mu) / (((h - mu) ** 2).sum(0) / len(h) + 1e-5) ** 0.5
        h = np.where(h > 0, h, 0)
        out[k] = np.linalg.norm(h) / np.sqrt(h.size)
    return out


def scales_by_recursion(x, weights, normalize):
    if len(weights) == 0:
        return np.empty(0)
    h = x @ weights[0]
    if normalize:
        h = (h - np.average(h, axis=0)) * (np.var(h, axis=0) + 1e-5) ** -0.5
    h = h * (h > 0)
    return np.concatenate([[np.mean(h * h) ** 0.5], scales_by_recursion(h, weights[1:], normalize)])


def scales_as_a_list(x, weights, normalize):
    def layer(h, w):
        h = np.dot(h, w)
        h = (
            (h - h.mean(axis=0, keepdims=True)) / np.sqrt(h.var(axis=0, keepdims=True) + 1e-5)
            if normalize
            else h
        )
        return h.clip(min=0)

    h, scales = x, []
    for w in weights:
        h = layer(h, w)
        scales += [float(np.sqrt(np.mean(np.square(h))))]
    return scales


def scales_in_features_first(x, weights, normalize):
    h, scales = x.T, []
    for w in weights:
        h = w.T @ h
        if normalize:
            h = (h - h.mean(1)[:, None]) / np.sqrt(h.var(1) + 1e-5)[:, None]
        h = (np.abs(h) + h) / 2
        scales.append(np.sqrt(np.vdot(h, h) / h.size))
    return np.asarray(scales)


def step_with_linalg(w, dw, learning_rate):
    new = w - learning_rate * dw
    length = np.linalg.norm
    cosine = w @ dw / length(w) / length(dw)
    return cosine, length(new) / length(w), np.arccos(w @ new / length(w) / length(new))


def step_with_sums(a, b, lr):
    a, b = a.astype(np.float64), b.astype(np.float64)
    c = a - lr * b
    aa, bb, cc = (a * a).sum(), (b * b).sum(), (c * c).sum()
    return (a * b).sum() / np.sqrt(aa * bb), np.sqrt(cc / aa), np.arccos((a * c).sum() / np.sqrt(aa * cc))


def step_with_arctan(w, dw, learning_rate):
    new = w - learning_rate * dw
    inner, old = np.dot(w, new), np.sqrt(np.dot(w, w))
    across = np.sqrt(np.dot(new - w * inner / old**2, new - w * inner / old**2))
    cosine = np.dot(w, dw) / (old * np.sqrt(np.dot(dw, dw)))
    return cosine, np.sqrt(np.dot(new, new)) / old, np.arctan2(across, inner / old)


def step_with_unit_vectors(w, dw, learning_rate):
    def unit(v):
        return v / np.sqrt(np.sum(v**2))

    moved = w + (-learning_rate) * dw
    growth = np.sqrt(np.sum(moved**2)) / np.sqrt(np.sum(w**2))
    return np.sum(unit(w) * unit(dw)), growth, np.arccos(np.clip(np.sum(unit(w) * unit(moved)), -1, 1))


def step_in_a_list(w, dw, learning_rate):
    def angle(a, b):
        return float(np.inner(a, b) / np.hypot.reduce(a) / np.hypot.reduce(b))

    after = np.array([p - learning_rate * g for p, g in zip(w, dw, strict=True)])
    return [angle(w, dw), np.hypot.reduce(after) / np.hypot.reduce(w), np.arccos(angle(w, after))]


def gap_by_reshape(x, running_mean, running_var, batch_size, eps):
    b = x.reshape(-1, batch_size, x.shape[1])
    own = (b - b.mean(1, keepdims=True)) / np.sqrt(b.var(1, keepdims=True) + eps)
    fixed = (x - running_mean) / np.sqrt(running_var + eps)
    return np.sqrt(((own.reshape(x.shape) - fixed) ** 2).mean(0))


def gap_by_loop_over_batches(x, running_mean, running_var, batch_size, eps):
    total = np.zeros(x.shape[1])
    for start in range(0, len(x), batch_size):
        b = x[start : start + batch_size]
        own = (b - b.mean(0)) / np.sqrt(b.var(0) + eps)
        total += ((own - (b - running_mean) / np.sqrt(running_var + eps)) ** 2).sum(0)
    return np.sqrt(total / len(x))


def gap_by_split(x, mu, var, m, eps):
    batches = np.stack(np.split(x.astype(np.float64), len(x) // m))
    centered = batches - batches.sum(1, keepdims=True) / m
    own = centered / ((centered**2).sum(1, keepdims=True) / m + eps) ** 0.5
    return (
        np.linalg.norm((own - (batches - mu) * (var + eps) ** -0.5).reshape(len(x), -1), axis=0)
        / len(x) ** 0.5
    )


def gap_with_einsum(x, running_mean, running_var, batch_size, eps):
    n, c = x.shape
    b = x.reshape(n // batch_size, batch_size, c)
    centered = b - np.einsum("bmc->bc", b)[:, None] / batch_size
    var = np.einsum("bmc,bmc->bc", centered, centered)[:, None] / batch_size
    off = centered / np.sqrt(var + eps) - (b - running_mean) / np.sqrt(running_var + eps)
    return np.sqrt(np.einsum("bmc,bmc->c", off, off) / n)


def gap_by_repeated_statistics(x, running_mean, running_var, batch_size, eps):
    starts = np.arange(0, len(x), batch_size)
    mean = np.repeat(np.add.reduceat(x, starts) / batch_size, batch_size, axis=0)
    var = np.repeat(np.add.reduceat((x - mean) ** 2, starts) / batch_size, batch_size, axis=0)
    own, fixed = (x - mean) / np.sqrt(var + eps), (x - running_mean) / np.sqrt(running_var + eps)
    return np.mean(np.square(own - fixed), axis=0) ** 0.5


def strength_in_one_line(clean, noisy):
    return np.sqrt(((noisy - clean) ** 2).mean((0, 1))) / clean.std(0)


def strength_by_loops(clean, noisy):
    out = []
    for c in range(clean.shape[1]):
        squares = [(noisy[t, n, c] - clean[n, c]) ** 2 for t in range(len(noisy)) for n in range(len(clean))]
        mean = clean[:, c].astype(float).mean()
        signal = np.mean((clean[:, c].astype(float) - mean) ** 2)
        out.append(np.sqrt(np.mean(squares) / signal))
    return np.array(out)


def strength_by_variances(clean, noisy):
    noise = (noisy - clean[None]).reshape(-1, clean.shape[1])
    return np.sqrt((noise.var(0) + noise.mean(0) ** 2) / clean.var(0))


def strength_by_norms(a, b):
    d = (b - a).reshape(-1, a.shape[1])
    centered = a - a.mean(0)
    return np.linalg.norm(d, axis=0) / np.linalg.norm(centered, axis=0) / np.sqrt(len(b))


def strength_by_einsum(clean, noisy):
    d = noisy.astype(np.float64) - clean
    s = clean.astype(np.float64) - clean.mean(0, dtype=np.float64)
    return np.sqrt(np.einsum("tnc,tnc->c", d, d) / len(noisy) / np.einsum("nc,nc->c", s, s))


def shift_with_linalg(before, after):
    n = np.linalg.norm
    return n(before - after, axis=1), (before * after).sum(1) / n(before, axis=1) / n(after, axis=1)


def shift_with_loop(before, after):
    d, c = [], []
    for a, b in zip(before.astype(float), after.astype(float), strict=True):
        d.append(np.sqrt(((a - b) ** 2).sum()))
        c.append(a @ b / np.sqrt(a @ a * (b @ b)))
    return np.array(d), np.array(c)


def shift_with_einsum(g, h):
    dot = lambda a, b: np.einsum("td,td->t", a, b)  # noqa: E731
    return np.sqrt(dot(g - h, g - h)), dot(g, h) / np.sqrt(dot(g, g) * dot(h, h))


def shift_with_unit_vectors(before, after):
    a = before / np.sqrt(np.sum(before**2, axis=1, keepdims=True))
    b = after / np.sqrt(np.sum(after**2, axis=1, keepdims=True))
    return np.sqrt(np.sum(np.square(after - before), axis=-1)), np.sum(a * b, axis=-1)


def shift_transposed(before, after):
    a, b = before.T, after.T
    length = lambda v: np.hypot.reduce(v, axis=0)  # noqa: E731
    return length(b - a), np.diag(before @ after.T) / (length(a) * length(b))


def noisy_in_order(x, gamma, beta, shift, scale, eps):
    x_hat = (x - x.mean(0)) / np.sqrt(x.var(0) + eps)
    return (gamma * x_hat + beta) * scale + shift, x_hat


def noisy_by_sums(x, g, b, s, k, e):
    n = len(x)
    c = x.astype(np.float64) - x.astype(np.float64).sum(0) / n
    h = c * ((c * c).sum(0) / n + e) ** -0.5
    return s + k * (b + g * h), h


def noisy_with_loop(x, gamma, beta, shift, scale, eps):
    y, x_hat = np.empty(x.shape), np.empty(x.shape)
    for j in range(x.shape[1]):
        column = x[:, j].astype(np.float64)
        x_hat[:, j] = (column - column.mean()) / np.sqrt(column.var() + eps)
        y[:, j] = (gamma[j] * x_hat[:, j] + beta[j]) * scale[:, j] + shift[:, j]
    return y, x_hat


def noisy_in_place_on_a_copy(x, gamma, beta, shift, scale, eps):
    h = x.copy()
    h -= h.mean(0)
    h /= np.sqrt((h**2).mean(0) + eps)
    y = h.copy()
    y *= gamma
    y += beta
    y *= scale
    y += shift
    return y, h


def noisy_multiplied_out(x, gamma, beta, shift, scale, eps):
    mean, std = np.mean(x, axis=0), np.sqrt(np.var(x, axis=0) + eps)
    x_hat = (x - mean) / std
    return x_hat * (gamma * scale) + (beta * scale + shift), x_hat


def landscape_in_order(losses, gradient, gradients, distances):
    change = np.linalg.norm(gradients - gradient[:, None], axis=2)
    way = distances * np.linalg.norm(gradient, axis=1)[:, None]
    return losses.max(1) - losses.min(1), change.max(1), (change / way).max(1)


def landscape_by_loops(losses, gradient, gradients, distances):
    ranges, changes, smooth = [], [], []
    for t in range(len(losses)):
        c = [np.sqrt(np.sum((g - gradient[t]) ** 2)) for g in gradients[t]]
        length = np.sqrt(np.sum(gradient[t] ** 2))
        ranges.append(max(losses[t]) - min(losses[t]))
        changes.append(max(c))
        smooth.append(max(change / (d * length) for change, d in zip(c, distances, strict=True)))
    return np.array(ranges), np.array(changes), np.array(smooth)


def landscape_by_ptp(losses, g, gs, distances):
    off = gs.astype(np.float64) - g.astype(np.float64).reshape(len(g), 1, -1)
    squares = np.einsum("tkd,tkd->tk", off, off)
    ways = np.outer(np.einsum("td,td->t", g, g, dtype=np.float64), distances.astype(np.float64) ** 2)
    return np.ptp(losses, axis=1), np.sqrt(squares.max(1)), np.sqrt((squares / ways).max(1))


def landscape_by_sorting(losses, gradient, gradients, distances):
    ordered = np.sort(losses, axis=1)
    changes = np.sqrt(((gradients - gradient[:, np.newaxis, :]) ** 2).sum(-1))
    lengths = np.sqrt((gradient**2).sum(-1, keepdims=True))
    return (
        ordered[:, -1] - ordered[:, 0],
        np.sort(changes, axis=1)[:, -1],
        np.amax(changes / lengths / distances, 1),
    )


def landscape_points_first(losses, gradient, gradients, distances):
    by_point = np.moveaxis(gradients, 1, 0) - gradient
    change = np.hypot.reduce(by_point, axis=-1)
    way = distances[:, None] * np.hypot.reduce(gradient, axis=-1)
    lowest, highest = np.amin(losses.T, axis=0), np.amax(losses.T, axis=0)
    return highest - lowest, change.max(0), (change / way).max(0)


RIGHT_ANSWERS = {
    "input_percentiles": (
        percentiles_in_one_call,
        percentiles_with_a_loop,
        percentiles_as_quantiles,
        percentiles_of_all_units_first,
        percentiles_by_sorting,
    ),
    "summarize_sweep": (
        sweep_with_std,
        sweep_with_loops,
        sweep_with_var,
        sweep_with_einsum,
        sweep_transposed,
    ),
    "activation_scales": (
        scales_with_a_loop,
        scales_with_where,
        scales_by_recursion,
        scales_as_a_list,
        scales_in_features_first,
    ),
    "look_at_step": (
        step_with_linalg,
        step_with_sums,
        step_with_arctan,
        step_with_unit_vectors,
        step_in_a_list,
    ),
    "train_eval_gap": (
        gap_by_reshape,
        gap_by_loop_over_batches,
        gap_by_split,
        gap_with_einsum,
        gap_by_repeated_statistics,
    ),
    "noise_strength": (
        strength_in_one_line,
        strength_by_loops,
        strength_by_variances,
        strength_by_norms,
        strength_by_einsum,
    ),
    "gradient_shift": (
        shift_with_linalg,
        shift_with_loop,
        shift_with_einsum,
        shift_with_unit_vectors,
        shift_transposed,
    ),
    "noisy_batchnorm": (
        noisy_in_order,
        noisy_by_sums,
        noisy_with_loop,
        noisy_in_place_on_a_copy,
        noisy_multiplied_out,
    ),
    "landscape": (
        landscape_in_order,
        landscape_by_loops,
        landscape_by_ptp,
        landscape_by_sorting,
        landscape_points_first,
    ),
}
