"""Spec of ``average_variances``: the biased and the unbiased variance of many small batches."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _batches(i):
    """The data cut into batches, shape (count, m, C); the rows left over are dropped."""
    x, m = i["x"].astype(float), i["m"]
    return x[: len(x) // m * m].reshape(-1, m, x.shape[1])


def _biased(i):
    return _batches(i).var(1).mean(0)


def _corrected(i, n=None):
    n = i["m"] if n is None else n
    return _biased(i) * n / (n - 1)


def _average_variances(x, m):
    inputs = {"x": x, "m": m}
    return _biased(inputs), _batches(inputs).var(1, ddof=1).mean(0)


def _variance_cases(rng):
    m, count, c = int(rng.integers(3, 6)), int(rng.integers(4, 7)), int(rng.integers(2, 5))

    def case(name, kind, m, count, c, left_over=0, dtype=np.float64, offset=0.0, order="C"):
        n = m * count + left_over
        drift = np.linspace(-1, 1, n)[:, None]  # so that batches differ in their means
        x = (rng.standard_normal((n, c)) + drift) * rng.uniform(0.5, 2, c) + rng.uniform(-3, 3, c) + offset
        return Case(
            f"{name}, x of shape {(n, c)}, m={m}", kind, {"x": np.array(x, dtype, order=order), "m": m}
        )

    cases = [
        case("full batches", "typical", m, count, c),
        case("as many batches as features", "typical", m, c, c),
        case("float32", "typical", m + 1, count, c, dtype=np.float32),
        case("a transposed view in memory", "typical", m, count + 1, c + 1, order="F"),
        case("a few rows left over", "left over", m + 1, count, c, left_over=2),
        case("one row left over", "left over", m, count, c + 1, left_over=1),
        case("the smallest batches", "edge", 2, count, c),
        case("one batch alone", "edge", m + 2, 1, c),
        case("features with a mean near a million", "offset", m, count, c, offset=1e6),
    ]
    cases[7].inputs["x"][:, 0] = 0.7  # and constant in one feature
    return cases


def _uneven(i):
    """The batches, and what is left over as one more."""
    x, m = i["x"].astype(float), i["m"]
    return [x[start : start + m] for start in range(0, len(x), m)]


def _split(i, count):
    return np.array_split(i["x"].astype(float), count)


def _unbiased(rows):
    return rows.var(0, ddof=1) if len(rows) > 1 else np.full(rows.shape[1], np.nan)


def _around(i, center):
    return ((_batches(i) - center) ** 2).mean((0, 1))


def _strided(i):
    x, m = i["x"].astype(float), i["m"]
    return x[: len(x) // m * m].reshape(m, -1, x.shape[1])


VARIANCES = Spec(
    name="average_variances",
    outputs=("biased", "unbiased"),
    nodes={
        "biased": Node(lambda i, v: _biased(i)),
        "unbiased": Node(lambda i, v: _corrected(i)),
    },
    reference=_average_variances,
    cases=_variance_cases,
    parts=(
        Part(
            "average biased variance",
            2,
            ("biased",),
            nudge="Which rows make up the first batch, and which mean do you subtract from them?",
            hint="Each batch has its own mean and its own variance, over its m rows. Average the variances at the end.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: divide by m.",
        ),
        Part(
            "average unbiased variance",
            2,
            ("unbiased",),
            nudge="By which number does the unbiased variance of m values divide?",
            hint="It divides by m - 1 where the biased one divides by m. So it is the larger of the two.",
            source="Ioffe & Szegedy 2015, Algorithm 2, line 10: m / (m - 1) times the biased variance.",
        ),
        Part(
            "rows that do not fill a batch are left out",
            1,
            ("biased", "unbiased"),
            ("left over",),
            nudge="How many rows do your batches use when m does not divide N?",
            hint="There are N // m full batches. Cut x to N // m * m rows before you do anything else.",
            source="The text of this part: the last N % m rows are not used.",
        ),
        Part(
            "batches of two, and a single batch",
            1,
            ("biased", "unbiased"),
            ("edge",),
            nudge="Does your code need more than one batch, or more than two rows in one?",
            hint="With m = 2 the unbiased variance is twice the biased one. With one batch the average is its variance.",
            source="The chapter's section 'The two variances'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("biased", "unbiased"),
            ("offset",),
            nudge="How do you compute the variance?",
            hint="Subtract the mean before you square. mean(x**2) - mean(x)**2 loses the digits that matter.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: the mean of (x - mean)**2.",
        ),
    ),
    mistakes=(
        Mistake(
            "biased_and_unbiased_swapped",
            "Your two variances have changed places. The biased one divides by m, the unbiased one by m - 1.",
            {"biased": lambda i, v: _corrected(i), "unbiased": lambda i, v: _biased(i)},
            keeps=0.5,
        ),
        Mistake(
            "variance_of_all_data",
            "Your variances are those of all the data. Cut x into batches of m rows, and take the variance of each batch.",
            {
                "biased": lambda i, v: i["x"].var(0, dtype=float),
                "unbiased": lambda i, v: i["x"].var(0, dtype=float, ddof=1),
            },
        ),
        Mistake(
            "last_batch_only",
            "Your variances are those of the last batch alone. Average over all batches; in a loop, add to a sum "
            "in place of assigning.",
            {
                "biased": lambda i, v: _batches(i)[-1].var(0),
                "unbiased": lambda i, v: _batches(i)[-1].var(0, ddof=1),
            },
        ),
        Mistake(
            "batches_of_every_kth_row",
            "Your batches are made of every k-th row: reshape(m, -1, C) deals the rows out like cards. For batches "
            "of consecutive rows use reshape(-1, m, C), and the variance over axis 1.",
            {
                "biased": lambda i, v: _strided(i).var(0).mean(0),
                "unbiased": lambda i, v: _strided(i).var(0, ddof=1).mean(0),
            },
        ),
        Mistake(
            "mean_of_all_data",
            "Your variances are taken around the mean of all the data. Batch Normalization knows only the batch: "
            "subtract the mean of each batch.",
            {
                "biased": lambda i, v: _around(i, i["x"].mean(0, dtype=float)),
                "unbiased": lambda i, v: _around(i, i["x"].mean(0, dtype=float)) * i["m"] / (i["m"] - 1),
            },
        ),
        Mistake(
            "variance_of_batch_means",
            "Your function averages each batch first and takes the variance of the averages. Take the variance "
            "inside each batch, then average the variances.",
            {
                "biased": lambda i, v: _batches(i).mean(1).var(0),
                "unbiased": lambda i, v: _batches(i).mean(1).var(0) * i["m"] / (i["m"] - 1),
            },
        ),
        Mistake(
            "variance_across_batches",
            "Your variance runs across the batches, position by position. In an array of shape (batches, m, C) take "
            "it over axis 1, and then the mean over axis 0.",
            {
                "biased": lambda i, v: _batches(i).var(0).mean(0),
                "unbiased": lambda i, v: (
                    _batches(i).var(0, ddof=1).mean(0)
                    if len(_batches(i)) > 1
                    else np.full(i["x"].shape[1], np.nan)
                ),
            },
        ),
        Mistake(
            "summed_over_batches",
            "Your variances are summed over the batches. Divide by the number of batches.",
            {
                "biased": lambda i, v: _batches(i).var(1).sum(0),
                "unbiased": lambda i, v: _batches(i).var(1, ddof=1).sum(0),
            },
        ),
        Mistake(
            "standard_deviations_averaged",
            "Your function averages standard deviations. Average the variances, without a root.",
            {
                "biased": lambda i, v: _batches(i).std(1).mean(0),
                "unbiased": lambda i, v: _batches(i).std(1, ddof=1).mean(0),
            },
        ),
        Mistake(
            "left_over_rows_used",
            "Your function makes a batch of the rows left over. A smaller batch has a smaller biased variance, and "
            "spoils the comparison: leave those rows out.",
            {
                "biased": lambda i, v: np.mean([b.var(0) for b in _uneven(i)], axis=0),
                "unbiased": lambda i, v: np.mean([_unbiased(b) for b in _uneven(i)], axis=0),
            },
        ),
        Mistake(
            "left_over_rows_added",
            "Your sum takes in a batch of the rows left over, and is divided by the number of full batches. Leave "
            "those rows out.",
            {
                "biased": lambda i, v: np.sum([b.var(0) for b in _uneven(i)], axis=0) / len(_batches(i)),
                "unbiased": lambda i, v: (
                    np.sum([_unbiased(b) for b in _uneven(i)], axis=0) / len(_batches(i))
                ),
            },
        ),
        Mistake(
            "left_over_rows_spread",
            "Your batches are not all of m rows: np.array_split spreads the rows left over among them. Cut x to "
            "N // m * m rows first.",
            {
                "biased": lambda i, v: np.mean([b.var(0) for b in _split(i, len(_batches(i)))], axis=0),
                "unbiased": lambda i, v: np.mean([_unbiased(b) for b in _split(i, len(_batches(i)))], axis=0),
            },
        ),
        Mistake(
            "m_taken_for_number_of_batches",
            "Your function cuts x into m batches. m is the number of rows in a batch.",
            {
                "biased": lambda i, v: np.mean([b.var(0) for b in _split(i, i["m"])], axis=0),
                "unbiased": lambda i, v: np.mean([_unbiased(b) for b in _split(i, i["m"])], axis=0),
            },
        ),
        Mistake(
            "features_mixed",
            "Your variances are single numbers for all features. Each feature has its own: in an array of shape "
            "(batches, m, C) take the variance over axis 1 alone.",
            {
                "biased": lambda i, v: _batches(i).var((1, 2)).mean(),
                "unbiased": lambda i, v: _batches(i).var((1, 2), ddof=1).mean(),
            },
        ),
        Mistake(
            "correction_upside_down",
            "Your correction is upside down: it makes the variance smaller. The unbiased variance is larger, "
            "m / (m - 1) times the biased one.",
            {"unbiased": lambda i, v: _biased(i) * (i["m"] - 1) / i["m"]},
        ),
        Mistake(
            "correction_with_n",
            "Your correction is N / (N - 1), with all the rows. Each variance is taken over m rows: use m / (m - 1).",
            {"unbiased": lambda i, v: _corrected(i, len(i["x"]))},
        ),
        Mistake(
            "correction_for_all_batches_together",
            "Your unbiased variance subtracts 1 once, from the number of all rows. Each batch has a mean of its "
            "own, and loses 1 for it: divide by m - 1 in each.",
            {"unbiased": lambda i, v: _corrected(i, _batches(i)[:, :, 0].size)},
        ),
        Mistake(
            "both_biased",
            "Both your variances are the biased one. For the unbiased one divide by m - 1: with NumPy, ddof=1.",
            {"unbiased": lambda i, v: _biased(i)},
        ),
        Mistake(
            "both_unbiased",
            "Both your variances are the unbiased one. The biased one divides by m, which is what np.var does "
            "when it is not told otherwise.",
            {"biased": lambda i, v: _corrected(i)},
        ),
    ),
    chapter="inference",
)
