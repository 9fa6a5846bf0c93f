"""Spec of ``whitening_limits``: what a batch leaves to whiten, and what it costs."""

import numpy as np

from bn_reference.checks.ps1_whitening.eigenspaces import eigen
from bn_reference.checks.ps1_whitening.samples import as_float, cloud
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec
from bn_reference.whitening import zca_whitening

SOURCE = "Chapter Whitening, section 'When the data do not fill the space'; chapter Whitening inside the step, and its price; Ioffe & Szegedy 2015, Section 2."


def _cases(rng):
    def case(name, kind, x, eps):
        return Case(f"{name}, x of shape {x.shape}", kind, {"x": x, "eps": eps})

    n, d = int(rng.integers(8, 12)), int(rng.integers(3, 5))
    dependent = cloud(rng, n, d)
    dependent[:, -1] = dependent[:, 0] - 2 * dependent[:, 1]
    constant = cloud(rng, n, d + 1)
    constant[:, rng.integers(d)] = 0.7
    return [
        case("more samples than features", "typical", cloud(rng, n, d), 2.0),
        case("as many samples as features", "typical", cloud(rng, d, d), 0.5),
        case("fewer samples than features", "typical", cloud(rng, d, d + 3), 0.2),
        case("half as many samples", "typical", cloud(rng, 5, 10), 0.1),
        case("a feature made of two others", "edge", dependent, 0.1),
        case("one feature is constant", "edge", constant, 0.2),
    ]


def _rank(i):
    return np.linalg.matrix_rank(as_float(i["x"]) - as_float(i["x"]).mean(0))


def _limits(x, eps):
    white = zca_whitening(x, eps)(x)
    variances = np.linalg.eigvalsh(white.T @ white / len(x))[::-1]
    m, d = x.shape
    return np.linalg.matrix_rank(x - x.mean(0)), variances, (2 * m * d**2 + d**3) / (m * d)


def _lam(i):
    return np.maximum(eigen(i["x"])[0], 0)


def _ratio(m, d):
    return (m * d**2 + d**3 + m * d**2) / (m * d)


LIMITS = Spec(
    name="whitening_limits",
    outputs=("rank", "variances", "ratio"),
    nodes={
        "rank": Node(lambda i, v: np.asarray(_rank(i))),
        "variances": Node(lambda i, v: _lam(i) / (_lam(i) + i["eps"])),
        "ratio": Node(lambda i, v: np.asarray(_ratio(*i["x"].shape))),
    },
    reference=_limits,
    cases=_cases,
    parts=(
        Part(
            "rank, the directions with variance",
            2,
            ("rank",),
            nudge="How many differences from their mean can N samples have that are independent?",
            hint="The rank of the covariance, or of x less its mean. An eigenvalue of 1e-17 is rounding, not variance: np.linalg.matrix_rank knows.",
            source=SOURCE,
        ),
        Part(
            "variances, largest first",
            2,
            ("variances",),
            nudge="A direction has variance lam. Whitening with eps divides it by sqrt(lam + eps). What is the variance then?",
            hint="lam / (lam + eps): near 1 where lam is far above eps, and 0 where there is nothing to whiten.",
            source=SOURCE,
        ),
        Part(
            "ratio, the price",
            1,
            ("ratio",),
            nudge="Which three steps does whitening take, and how many multiplications each?",
            hint="m d^2 for the covariance, d^3 for its eigenvectors, m d^2 to apply W; together, divided by m d.",
            source=SOURCE,
        ),
        Part(
            "features that are constant, or depend on each other",
            1,
            ("rank", "variances", "ratio"),
            ("edge",),
            nudge="Can the rank be less than the smaller of N - 1 and d?",
            hint="A feature that is constant, or made of others, brings no direction of its own. Measure the rank; do not read it off the shape.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "rank_read_off_the_shape",
            "Your rank is the smaller of N and d. The mean takes one direction: N centred samples span at most N - 1. And features may depend on each other, so measure it.",
            {"rank": lambda i, v: min(i["x"].shape)},
            keeps=0.25,
        ),
        Mistake(
            "rank_not_centred",
            "Your rank is that of x itself. Subtract the mean first: whitening works on the covariance.",
            {"rank": lambda i, v: np.linalg.matrix_rank(i["x"])},
            keeps=0.25,
        ),
        Mistake(
            "rank_from_a_formula",
            "Your rank is the smaller of N - 1 and d. That is the most it can be; a constant feature, or one made of others, brings it down. Measure it.",
            {"rank": lambda i, v: min(i["x"].shape[0] - 1, i["x"].shape[1])},
            keeps=0.5,
        ),
        Mistake(
            "rank_with_eps",
            "Your rank is always d: with eps added every eigenvalue is above zero. Count the directions of the covariance as it is.",
            {"rank": lambda i, v: i["x"].shape[1]},
        ),
        Mistake(
            "rank_above_eps",
            "Your rank counts the variances above eps. A variance counts wherever it stands above rounding noise; eps has no part in it.",
            {"rank": lambda i, v: np.sum(_lam(i) > i["eps"])},
            keeps=0.25,
        ),
        Mistake(
            "directions_without_variance",
            "Your rank counts the directions without variance. Count those with.",
            {"rank": lambda i, v: i["x"].shape[1] - _rank(i)},
            keeps=0.5,
        ),
        Mistake(
            "ascending_order",
            "Your variances come smallest first, as np.linalg.eigvalsh returns eigenvalues. Reverse them.",
            {"variances": lambda i, v: (_lam(i) / (_lam(i) + i["eps"]))[::-1]},
            keeps=0.5,
        ),
        Mistake(
            "variances_before_whitening",
            "Your variances are those of x. Whitening divides each by lam + eps.",
            {"variances": lambda i, v: _lam(i)},
        ),
        Mistake(
            "standard_deviations",
            "Your variances are standard deviations. The variance after dividing by sqrt(lam + eps) is lam / (lam + eps), without a root.",
            {"variances": lambda i, v: np.sqrt(_lam(i) / (_lam(i) + i["eps"]))},
            keeps=0.5,
        ),
        Mistake(
            "root_in_the_denominator",
            "Your variances divide lam by the root of lam + eps. A variance scales with the square: divide by lam + eps.",
            {"variances": lambda i, v: _lam(i) / np.sqrt(_lam(i) + i["eps"])},
            keeps=0.5,
        ),
        Mistake(
            "all_ones",
            "Your variances are all one. That is so with eps = 0 and full rank; with eps each is lam / (lam + eps).",
            {"variances": lambda i, v: np.ones(i["x"].shape[1])},
        ),
        Mistake(
            "covariance_divides_by_n_minus_1",
            "Your variances come from a covariance that divides by N - 1. Divide by N.",
            {
                "variances": lambda i, v: (lambda lam: lam / (lam + i["eps"]))(
                    _lam(i) * len(i["x"]) / (len(i["x"]) - 1)
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "covariance_not_centred",
            "Your variances come from x.T @ x / N. Subtract the mean of each feature first.",
            {
                "variances": lambda i, v: (lambda lam: lam / (lam + i["eps"]))(
                    np.maximum(np.linalg.eigvalsh(i["x"].T @ i["x"] / len(i["x"])), 0)[::-1]
                )
            },
            keeps=0.25,
        ),
        Mistake(
            "ratio_upside_down",
            "Your ratio is upside down. Divide the cost of whitening by that of standardising.",
            {"ratio": lambda i, v: 1 / _ratio(*i["x"].shape)},
            keeps=0.5,
        ),
        Mistake(
            "samples_and_features_swapped",
            "Your ratio has m and d in each other's place. x has m rows and d columns: m, d = x.shape.",
            {"ratio": lambda i, v: _ratio(*i["x"].shape[::-1])},
            keeps=0.5,
        ),
        Mistake(
            "applying_not_counted",
            "Your ratio leaves out the m d^2 that it takes to apply W.",
            {"ratio": lambda i, v: _ratio(*i["x"].shape) - i["x"].shape[1]},
            keeps=0.5,
        ),
        Mistake(
            "eigenvectors_not_counted",
            "Your ratio leaves out the d^3 for the eigenvectors.",
            {"ratio": lambda i, v: 2 * i["x"].shape[1]},
            keeps=0.5,
        ),
        Mistake(
            "integer_division",
            "Your ratio is rounded down. Divide with /, not with //.",
            {"ratio": lambda i, v: _ratio(*i["x"].shape) // 1},
            keeps=0.5,
        ),
    ),
    chapter="whitening_inside",
)
