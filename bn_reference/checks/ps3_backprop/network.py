"""The small network of the last part: x @ W1, Batch Normalization, ReLU, @ W2 + b2, softmax.

Learners keep it in a dictionary of arrays; the cases hold the arrays by themselves.
"""

import numpy as np

from bn_reference.batchnorm import batchnorm_backward, batchnorm_forward, batchnorm_inference
from bn_reference.checks.spec import Case, Values

EPS = 1e-5


def scores(i: Values, mean: np.ndarray | None = None, var: np.ndarray | None = None) -> np.ndarray:
    """The K scores of each example, with the running statistics or with those given."""
    mean, var = (i["running_mean"], i["running_var"]) if mean is None else (mean, var)
    return np.maximum(_normalised(i, mean, var), 0) @ i["W2"] + i["b2"]


def _normalised(i, mean, var):
    """What goes into the ReLUs."""
    return batchnorm_inference(i["x"] @ i["W1"], i["gamma"], i["beta"], mean, var, EPS)


def labels_of(i: Values) -> np.ndarray:
    """The labels as whole numbers, which the tolerances move a little."""
    return np.rint(i["labels"]).astype(int)


def loss_and_gradients(inputs: Values) -> dict[str, np.ndarray]:
    """Mean cross-entropy, the gradient of each parameter, and the statistics of the batch."""
    i = {
        name: value.astype(np.float64) if np.asarray(value).dtype.kind == "f" else value
        for name, value in inputs.items()
    }
    y, cache = batchnorm_forward(i["x"] @ i["W1"], i["gamma"], i["beta"], EPS)
    hidden = np.maximum(y, 0)
    logits = hidden @ i["W2"] + i["b2"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    rows, labels = np.arange(len(y)), labels_of(i)
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1
    dlogits /= len(y)
    dhidden = dlogits @ i["W2"].T
    dy = dhidden * (y > 0)
    dx, dgamma, dbeta = batchnorm_backward(dy, cache)
    return {
        "loss": np.asarray(-log_p[rows, labels].mean()),
        "mean": cache.mean,
        "var": cache.var,
        "db2": dlogits.sum(axis=0),
        "dW2": hidden.T @ dlogits,
        "dbeta": dbeta,
        "dgamma": dgamma,
        "dW1": i["x"].T @ dx,
        # On the way, for those who take a wrong turn.
        "y": y,
        "log_p": log_p,
        "dlogits": dlogits,
        "dhidden": dhidden,
        "dx": dx,
        "std": cache.std,
        "x_hat": cache.x_hat,
        "logits": logits,
    }


def _some_are_open(i):
    return 0 < np.mean(_normalised(i, i["running_mean"], i["running_var"]) > 0) < 1


def small_networks(rng: np.random.Generator, *, single: bool, large: bool) -> list[Case]:
    """Networks small enough to print, each with a batch.

    Parameters
    ----------
    rng : numpy.random.Generator
    single, large : bool
        Also a batch of one example; scores in the thousands.
    """

    def draw(n, d, h, k, stretch):
        def normal(*shape):
            return rng.standard_normal(shape)

        return {
            "W1": normal(d, h),
            "gamma": rng.uniform(0.5, 2, h),
            "beta": rng.uniform(0.2, 1, h) * rng.permutation(np.resize([1, -1], h)),
            "W2": normal(h, k) * stretch,
            "b2": normal(k),
            "running_mean": normal(h),
            "running_var": rng.uniform(0.5, 4, h),
            "x": normal(n, d) + 1,
        }

    def case(name, kind, *sizes, dtype=np.float64, stretch=1.0):
        n, d, h, k = sizes
        arrays = draw(*sizes, stretch)
        while not _some_are_open(arrays):  # else the batch of one could hide the ReLUs, or all but b2
            arrays = draw(*sizes, stretch)
        labels = rng.integers(k, size=n)
        labels[0] = np.argmin(scores(arrays)[0])  # no loss, no gradient where all labels are certain
        inputs = {key: value.astype(dtype) for key, value in arrays.items()}
        title = f"{name}: {n} examples of {d} values, {h} hidden units, {k} classes"
        return Case(title, kind, {**inputs, "labels": labels})

    n, d, h, k = (int(rng.integers(low, low + 3)) for low in (6, 3, 4, 3))
    cases = [
        case("an ordinary batch", "typical", n, d, h, k),
        case("as many hidden units as examples", "typical", n, d + 1, n, k),
        case("float32", "typical", n + 1, d, h, k, dtype=np.float32),
    ]
    if single:
        cases.append(case("a batch of one example", "edge", 1, d, h, k))
    if large:
        cases.append(case("scores in the thousands", "large", n, d, h, k, stretch=1000.0))
    return cases
