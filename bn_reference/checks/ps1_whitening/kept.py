"""Spec of ``what_is_kept``: how close a whitening stays to the data."""

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float, cloud
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec
from bn_reference.whitening import cholesky_whitening, pca_whitening, zca_whitening

SOURCE = "Chapter Whitening, section 'What each one keeps'; Kessy, Lewin & Strimmer 2018, Section 3."


def _cases(rng):
    n, d = int(rng.integers(8, 12)), int(rng.integers(3, 5))

    def case(name, kind, x, whiten, dtype=np.float64, offset=0.0):
        x, z = x.astype(dtype), (whiten(x, 1e-2)(x) + offset).astype(dtype)
        return Case(f"{name}, x of shape {x.shape}", kind, {"x": x, "z": z})

    turned = np.asfortranarray(cloud(rng, n, d + 1))
    far = cloud(rng, n, d) + 1e6
    return [
        case("PCA", "typical", cloud(rng, n, d), pca_whitening),
        case("ZCA, of two features", "typical", cloud(rng, n + 3, 2), zca_whitening),
        case("Cholesky, as many samples as features", "typical", cloud(rng, d, d), cholesky_whitening),
        case("float32", "typical", cloud(rng, n, d), pca_whitening, np.float32),
        case("z with a mean of its own, and a view in memory", "typical", turned, zca_whitening, offset=2.0),
        case("features with a mean near a million", "offset", far, cholesky_whitening),
    ]


def _centered(a):
    return as_float(a) - as_float(a).mean(0)


def _rho(x, z):
    spread = np.sqrt(np.outer(x.var(0), z.var(0)))
    return _centered(x).T @ _centered(z) / len(x) / spread


def _kept(x, z):
    d = x.shape[1]
    rho = np.corrcoef(x, z, rowvar=False)[:d, d:]
    return rho, np.square(_centered(x) - _centered(z)).sum() / len(x)


def _moved(i):
    return (_centered(i["x"]) - _centered(i["z"])) ** 2


def _divided(i, by_x=True, by_z=True, n=None):
    products = _centered(i["x"]).T @ _centered(i["z"]) / (n or len(i["x"]))
    std_x = as_float(i["x"]).std(0)[:, None] if by_x else 1.0
    std_z = as_float(i["z"]).std(0) if by_z else 1.0
    return products / std_x / std_z


KEPT = Spec(
    name="what_is_kept",
    outputs=("rho", "moved"),
    nodes={
        "rho": Node(
            lambda i, v: _rho(as_float(i["x"]), as_float(i["z"])),
            magnitude=lambda i: max(1.0, *(np.max(np.abs(a) / a.std(0)) for a in (i["x"], i["z"]))),
        ),
        "moved": Node(
            lambda i, v: _moved(i).sum() / len(i["x"]),
            magnitude=lambda i: np.max(np.abs(i["x"])) * np.sqrt(_moved(i).max()),
        ),
    },
    reference=_kept,
    cases=_cases,
    parts=(
        Part(
            "rho, the correlations of x with z",
            4,
            ("rho",),
            nudge="No entry of rho may leave the range from -1 to 1. What is rho[j, k] about?",
            hint="Centre x and z, average the products of feature j of x with feature k of z, and divide by both standard deviations.",
            source=SOURCE,
        ),
        Part(
            "moved, the mean squared distance",
            2,
            ("moved",),
            nudge="Over what do you add, and over what do you average?",
            hint="For each sample add the squares of the differences over its features; then average over the samples.",
            source=SOURCE,
        ),
        Part(
            "features with a large mean",
            1,
            ("rho", "moved"),
            ("offset",),
            nudge="Which of your differences is between two huge numbers?",
            hint="Centre first, then multiply or subtract.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "transposed",
            "Your rho is transposed: its rows are features of z. Row j belongs to feature j of x: centred x.T @ centred z.",
            {"rho": lambda i, v: _divided(i).T},
            keeps=0.5,
        ),
        Mistake(
            "whole_table_of_corrcoef",
            "Your rho has 2d rows: np.corrcoef puts x and z side by side. The part that you want is [:d, d:].",
            {"rho": lambda i, v: np.corrcoef(i["x"], i["z"], rowvar=False)},
            keeps=0.25,
        ),
        Mistake(
            "x_with_itself",
            "Your rho holds the correlations of x with itself. Take the block [:d, d:], x against z.",
            {"rho": lambda i, v: np.corrcoef(as_float(i["x"]), rowvar=False)},
        ),
        Mistake(
            "z_with_itself",
            "Your rho holds the correlations of z with itself. Take the block [:d, d:], x against z.",
            {"rho": lambda i, v: np.corrcoef(as_float(i["z"]), rowvar=False)},
        ),
        Mistake(
            "covariance_returned",
            "Your rho is a covariance. Divide by the standard deviations of x and of z.",
            {"rho": lambda i, v: _divided(i, by_x=False, by_z=False)},
            keeps=0.5,
        ),
        Mistake(
            "std_of_x_missing",
            "Your rho is not divided by the standard deviation of x. It has one for each row.",
            {"rho": lambda i, v: _divided(i, by_x=False)},
            keeps=0.5,
        ),
        Mistake(
            "std_of_z_missing",
            "Your rho is not divided by the standard deviation of z. It is not quite 1: z was whitened with eps.",
            {"rho": lambda i, v: _divided(i, by_z=False)},
            keeps=0.5,
        ),
        Mistake(
            "divisors_differ",
            "Your rho mixes N - 1 and N: np.cov divides by N - 1, np.std by N. With one of them throughout, it cancels.",
            {"rho": lambda i, v: _divided(i, n=len(i["x"]) - 1)},
            keeps=0.5,
        ),
        Mistake(
            "not_centred",
            "Your rho comes from x.T @ z. Subtract the mean of each feature from both first.",
            {
                "rho": lambda i, v: (
                    as_float(i["x"]).T
                    @ as_float(i["z"])
                    / len(i["x"])
                    / np.sqrt(np.outer(as_float(i["x"]).var(0), as_float(i["z"]).var(0)))
                )
            },
        ),
        Mistake(
            "moved_averages_entries",
            "Your moved averages over the features as well. The squared distance adds over them: sum over axis 1, then average over the samples.",
            {"moved": lambda i, v: _moved(i).mean()},
            keeps=0.5,
        ),
        Mistake(
            "moved_is_a_sum",
            "Your moved is a sum over the samples. Divide by N to make it an average.",
            {"moved": lambda i, v: _moved(i).sum()},
            keeps=0.5,
        ),
        Mistake(
            "moved_is_not_squared",
            "Your moved averages distances. Average their squares, without a root.",
            {"moved": lambda i, v: np.sqrt(_moved(i).sum(1)).mean()},
            keeps=0.5,
        ),
        Mistake(
            "moved_is_rooted",
            "Your moved has a root too many. It is the mean of the squared distances themselves.",
            {"moved": lambda i, v: np.sqrt(_moved(i).sum() / len(i["x"]))},
            keeps=0.5,
        ),
        Mistake(
            "moved_not_centred",
            "Your moved compares x and z where they stand. Subtract the mean of each first, or the distance is mostly that of the means.",
            {"moved": lambda i, v: ((as_float(i["x"]) - as_float(i["z"])) ** 2).sum() / len(i["x"])},
        ),
        Mistake(
            "x_alone_not_centred_in_moved",
            "Your moved takes x without subtracting its mean. Centre both.",
            {"moved": lambda i, v: ((as_float(i["x"]) - _centered(i["z"])) ** 2).sum() / len(i["x"])},
        ),
        Mistake(
            "z_alone_not_centred_in_moved",
            "Your moved takes z without subtracting its mean. It need not be zero: centre both.",
            {"moved": lambda i, v: ((_centered(i["x"]) - as_float(i["z"])) ** 2).sum() / len(i["x"])},
            keeps=0.5,
        ),
    ),
    chapter="whitening",
)
