"""What the specs of the three whitenings share."""

from collections.abc import Callable, Mapping

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float
from bn_reference.checks.spec import Formula, Mistake, Part, Values
from bn_reference.whitening import covariance

Whitener = Callable[[np.ndarray, Values], np.ndarray]
"""``whitener(sigma, own)`` makes W of a covariance that has eps in it; `own` is what the learner returned."""


def centered(i: Values) -> np.ndarray:
    """`x` less the mean of each feature."""
    return as_float(i["x"]) - as_float(i["x"]).mean(0)


def varies(i: Values) -> bool:
    """Is there anything to whiten?"""
    return np.ptp(i["x"], axis=0).max() > 0


def w_size(i: Values) -> float:
    """What rounding of w is relative to: rounding of the largest eigenvalue reaches the smallest."""
    lam = np.maximum(np.linalg.eigvalsh(covariance(as_float(i["x"]))), 0) + i["eps"]
    return lam[-1] / lam[0] / np.sqrt(lam[0])


def z_size(i: Values) -> float:
    """The size of the summands of z: x may be large where z is not."""
    x = as_float(i["x"])
    flattest = np.linalg.eigvalsh(covariance(x))[0]
    return np.max(np.abs(x)) / np.sqrt(max(flattest, 0) + i["eps"])


def sigma_with_eps(i: Values) -> np.ndarray:
    """``covariance + eps * I``."""
    return covariance(as_float(i["x"])) + i["eps"] * np.eye(i["x"].shape[1])


def z_mistakes(keeps: float = 0.0) -> tuple[Mistake, ...]:
    """The mistakes in ``z = (x - mean) @ w.T``."""
    return (
        Mistake(
            "z_not_centred",
            "Your z is w times x itself. Subtract the mean first: z = (x - mean) @ w.T.",
            {"z": lambda i, v: as_float(i["x"]) @ v["w"].T},
            keeps=keeps,
        ),
        Mistake(
            "z_has_samples_in_columns",
            "Your z has one column for each sample, as w @ (x - mean).T has. Samples are rows: z = (x - mean) @ w.T.",
            {"z": lambda i, v: v["w"] @ centered(i).T},
            keeps=keeps,
        ),
        Mistake(
            "z_scaled_by_sqrt_n",
            "Your z is smaller by the root of N, as the left singular vectors are. Its variances have to be one: multiply by sqrt(N).",
            {"z": lambda i, v: centered(i) @ v["w"].T / np.sqrt(len(i["x"]))},
            keeps=keeps,
        ),
    )


def covariance_mistakes(whitener: Whitener) -> tuple[Mistake, ...]:
    """The mistakes in the covariance that W is made of."""

    def of(sigma):
        def w(i, v):
            wrong = sigma(i)
            lam = np.linalg.eigvalsh(wrong)
            divides_by_noise = varies(i) and np.abs(lam[0]) < 1e-9 * lam[-1]
            # What a division by rounding noise gives depends on how it is written: any result fits.
            return v["w"] if divides_by_noise and "w" in v else whitener(wrong, v)

        return {"w": w}

    def eye(i):
        return np.eye(i["x"].shape[1])

    return (
        Mistake(
            "covariance_divides_by_n_minus_1",
            "Your w comes from a covariance that divides by N - 1, as np.cov does by itself. Divide by N, or the variances of z are not one.",
            of(lambda i: covariance(as_float(i["x"])) * len(i["x"]) / (len(i["x"]) - 1) + i["eps"] * eye(i)),
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your w leaves eps out. Add it to every eigenvalue, or a direction without variance divides by zero.",
            of(lambda i: covariance(as_float(i["x"]))),
            keeps=0.5,
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps that the caller passes.",
            of(lambda i: covariance(as_float(i["x"])) + 1e-5 * eye(i)),
            keeps=0.5,
        ),
        Mistake(
            "eps_added_to_every_entry",
            "Your eps is added to every entry of the covariance: sigma + eps broadcasts. Add it to the diagonal alone, eps * np.eye(d), or to the eigenvalues.",
            of(lambda i: covariance(as_float(i["x"])) + i["eps"]),
            keeps=0.5,
        ),
        Mistake(
            "covariance_not_centred",
            "Your w comes from x.T @ x / N. Subtract the mean of each feature before you multiply.",
            of(lambda i: as_float(i["x"]).T @ as_float(i["x"]) / len(i["x"]) + i["eps"] * eye(i)),
            keeps=0.25,
        ),
        Mistake(
            "covariance_not_divided",
            "Your w comes from a sum of products. Divide it by N: the covariance is an average.",
            of(lambda i: covariance(as_float(i["x"])) * len(i["x"]) + i["eps"] * eye(i)),
            keeps=0.25,
        ),
        Mistake(
            "correlation_for_covariance",
            "Your w comes from the correlation. It whitens standardised data; for x itself use the covariance.",
            of(lambda i: np.corrcoef(as_float(i["x"]), rowvar=False) + i["eps"] * eye(i)),
            keeps=0.25,
        ),
    )


def float32_mistake(whitener: Whitener, more: Mapping[str, Formula] | None = None) -> Mistake:
    """The mistake of working with 7 digits; `more` are the formulas of other outputs than w and z."""

    def sigma(i):
        return covariance(as_float(i["x"].astype(np.float32))) + i["eps"] * np.eye(i["x"].shape[1])

    return Mistake(
        "computed_in_float32",
        "Your function computes in float32, which keeps 7 digits. x has more: stay in the dtype of x, or in float64.",
        {
            **(more or {}),
            "w": lambda i, v: whitener(sigma(i), v),
            "z": lambda i, v: centered(i) @ v["w"].T,
        },
        precision=np.float32,
    )


def awkward_parts(nodes: tuple[str, ...]) -> tuple[Part, ...]:
    """The parts for data that break habits."""
    return (
        Part(
            "whole numbers",
            1,
            nodes,
            ("integer",),
            nudge="What dtype do your arrays have when x holds integers?",
            hint="An array made like x, by zeros_like(x) or x.copy(), keeps the integer dtype and cuts off what follows the point. Make it of dtype float.",
            source="Chapter Whitening, section 'A cloud that is hard to learn from'.",
        ),
        Part(
            "a constant feature, and fewer samples than features",
            1,
            nodes,
            ("edge",),
            nudge="What are the smallest eigenvalues of the covariance here?",
            hint="Some eigenvalues are 0, and rounding may put them just below. With eps added before the root is taken all is well. The shapes stay (d, d) and (N, d). If you see complex numbers, use np.linalg.eigh, which is for symmetric matrices.",
            source="Chapter Whitening, section 'When the data do not fill the space'.",
        ),
        Part(
            "features with a large mean",
            1,
            nodes,
            ("offset",),
            nudge="Which of your differences is between two huge numbers?",
            hint="Subtract the mean before you multiply: for the covariance, and again for z.",
            source="Chapter Whitening, section 'A cloud that is hard to learn from'.",
        ),
    )
