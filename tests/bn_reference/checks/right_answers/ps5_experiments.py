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
}
