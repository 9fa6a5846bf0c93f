"""Spec of ``train_eval_gap``: how far a mini-batch's own statistics take an output from inference."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _apart(i, size=None, divisor=lambda m: m, root=lambda var, eps: np.sqrt(var + eps), ran=None):
    """What training gives minus what inference gives, for each example and feature."""
    x, size = i["x"], i["batch_size"] if size is None else size
    batches = x.reshape(-1, size, x.shape[1])
    mean, var = batches.mean(1, keepdims=True), batches.var(1, keepdims=True)
    var = var * size / np.float64(divisor(size))
    training = ((batches - mean) / root(var, i["eps"])).reshape(x.shape)
    ran = root(i["running_var"], i["eps"]) if ran is None else ran(i)
    return training - (x - i["running_mean"]) / ran


def _interleaved(i):
    """With batches that take one row in several."""
    order = np.arange(len(i["x"])).reshape(i["batch_size"], -1).T.ravel()
    return _apart({**i, "x": i["x"][order]})


def _rms(values, axis=0):
    return np.sqrt(np.mean(values**2, axis=axis))


def train_eval_gap(x, running_mean, running_var, batch_size, eps):
    """The root mean square difference between normalising in training and at inference.

    Parameters
    ----------
    x : ndarray, shape (N, C), floating
    running_mean, running_var : ndarray, shape (C,)
    batch_size : int
        Divides N; batches are consecutive rows.
    eps : float

    Returns
    -------
    tuple of one ndarray, shape (C,)

    Examples
    --------
    >>> x = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> train_eval_gap(x, np.array([3.0]), np.array([5.0]), 4, 0.0)[0].round(6)
    array([0.])
    """
    i = {"x": x, "running_mean": running_mean, "running_var": running_var}
    return (_rms(_apart({**i, "batch_size": batch_size, "eps": eps})),)


MANY = 800_000
SECONDS = 0.4
"""For the case of many examples: whole arrays and loops over batches take a tenth of it or less, loops over examples twice and more."""


def _cases(rng):
    def case(name, kind, batches, size, c, dtype=np.float64, eps=1e-3, seconds=None):
        x = rng.standard_normal((batches * size, c)) * rng.uniform(0.5, 2.0, c) + rng.uniform(-2, 2, c)
        inputs = {
            "x": x.astype(dtype),
            "running_mean": (x.mean(0) + rng.uniform(-0.3, 0.3, c)).astype(dtype),
            "running_var": (x.var(0) * rng.uniform(0.6, 1.5, c)).astype(dtype),
            "batch_size": size,
            "eps": eps,
        }
        return Case(f"{name}, {batches} batches of {size}, {c} features", kind, inputs, seconds)

    size, c = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    return [
        case("ordinary batches", "typical", 6, size, c),
        case("large eps", "typical", 4, size + 1, c, eps=0.1),
        case("as many batches as examples in each", "typical", size, size, size),
        case("float32", "typical", 5, size, c + 1, np.float32),
        case("one batch", "edge", 1, 8, c),
        case("batches of one", "edge", 6, 1, c),
        case("many examples", "long", 100, MANY // 100, 1, seconds=SECONDS),
    ]


def _wrong(**turned):
    return {"gap": lambda i, v: _rms(_apart(i, **turned))}


GAP = Spec(
    name="train_eval_gap",
    outputs=("gap",),
    nodes={"gap": Node(lambda i, v: _rms(_apart(i)), magnitude=lambda i: 3.0)},
    reference=train_eval_gap,
    cases=_cases,
    parts=(
        Part(
            "the gap of each feature",
            4,
            ("gap",),
            nudge="With one batch and running statistics equal to its own, what should the gap be?",
            hint="Normalise each batch with its own mean and variance, all rows with the running ones; subtract, square, "
            "take the mean over all examples, then the root.",
            source="Ioffe & Szegedy 2015, Algorithm 1 for training, Section 3.1 for inference.",
        ),
        Part(
            "one batch, and batches of one",
            1,
            ("gap",),
            ("edge",),
            nudge="What is x_hat in a batch of one?",
            hint="In a batch of one the mean is the example itself: x_hat is 0.",
            source="Ioffe & Szegedy 2015, Algorithm 1.",
        ),
        Part(
            "many examples in time",
            1,
            ("gap",),
            ("long",),
            nudge="Does your function loop over single examples?",
            hint="x.reshape(-1, batch_size, C) puts each batch on an axis of its own; mean and var then run over axis 1.",
            source="NumPy's manual, numpy.reshape.",
        ),
    ),
    mistakes=(
        Mistake(
            "batches_ignored",
            "Your function takes the statistics of all of x at once. In training each batch has its own.",
            {"gap": lambda i, v: _rms(_apart(i, size=len(i["x"])))},
        ),
        Mistake(
            "variance_divides_by_m_minus_1",
            "Your batch variance divides by m - 1. What normalises in training divides by m.",
            _wrong(divisor=lambda m: max(m - 1, 1)),
            keeps=0.5,
        ),
        Mistake(
            "variance_of_one_divides_by_zero",
            "Your batch variance divides by m - 1, which is 0 in a batch of one. What normalises in training divides by m.",
            _wrong(divisor=lambda m: m - 1),
            keeps=0.5,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the root. It belongs under it: sqrt(var + eps).",
            _wrong(root=lambda var, eps: np.sqrt(var) + eps),
            keeps=0.5,
        ),
        Mistake(
            "eps_forgotten_at_inference",
            "Your inference divides by sqrt(running_var), without eps.",
            _wrong(ran=lambda i: np.sqrt(i["running_var"])),
            keeps=0.5,
        ),
        Mistake(
            "divided_by_running_variance",
            "Your inference divides by the running variance. Divide by its root.",
            _wrong(ran=lambda i: i["running_var"] + i["eps"]),
            keeps=0.5,
        ),
        Mistake(
            "mean_square_without_root",
            "Your gap is the mean square. Take the root.",
            {"gap": lambda i, v: np.mean(_apart(i) ** 2, axis=0)},
            keeps=0.5,
        ),
        Mistake(
            "absolute_for_root_mean_square",
            "Your gap is the mean of the absolute differences. Square them, take the mean, then the root.",
            {"gap": lambda i, v: np.mean(np.abs(_apart(i)), axis=0)},
            keeps=0.5,
        ),
        Mistake(
            "signed_differences_averaged",
            "Your differences cancel: the positive against the negative. Square them before you take the mean.",
            {"gap": lambda i, v: np.mean(_apart(i), axis=0)},
        ),
        Mistake(
            "features_pooled",
            "Your gap pools the features. Take the mean over the examples alone: one number for each feature.",
            {"gap": lambda i, v: _rms(_apart(i), axis=None)},
            keeps=0.5,
        ),
        Mistake(
            "batches_interleaved",
            "Your batches take every k-th row. They are consecutive rows: x.reshape(-1, batch_size, C), then axis 1.",
            {"gap": lambda i, v: _rms(_interleaved(i))},
        ),
        Mistake(
            "first_batch_alone",
            "Your gap is that of the first batch. Go through all of them.",
            {"gap": lambda i, v: _rms(_apart(i)[: i["batch_size"]])},
        ),
        Mistake(
            "squares_summed",
            "Your gap sums the squares. Take their mean over the examples, then the root.",
            {"gap": lambda i, v: np.sqrt(np.sum(_apart(i) ** 2, axis=0))},
            keeps=0.5,
        ),
        Mistake(
            "spread_of_the_differences",
            "Your gap is the standard deviation of the differences, which does not see a shift of all of them. Take the root mean square.",
            {"gap": lambda i, v: _apart(i).std(axis=0)},
            keeps=0.5,
        ),
        Mistake(
            "largest_difference",
            "Your gap is the largest difference. Take the root mean square over the examples.",
            {"gap": lambda i, v: np.abs(_apart(i)).max(axis=0)},
            keeps=0.5,
        ),
        Mistake(
            "not_normalized_at_inference",
            "Your function compares with x itself. Inference normalises too, with running_mean and running_var.",
            {"gap": lambda i, v: _rms(_apart({**i, "running_mean": 0.0}, ran=lambda i: 1.0))},
        ),
    ),
    chapter="training",
)
