"""What the specs of the two backward passes share."""

import numpy as np

from bn_reference.checks.spec import Formula, Mistake, Values


def std(i: Values) -> np.ndarray:
    """``sqrt(var + eps)``."""
    return np.sqrt(i["var"] + i["eps"])


def gradient_size(i: Values) -> float:
    """The size of ``dx_hat / std``, which the sums for dmean and dx are made of."""
    return np.max(np.abs(i["dout"] * i["gamma"]) / std(i))


def parameter_mistakes(x_hat: Formula) -> tuple[Mistake, ...]:
    """The mistakes for a function in which ``x_hat(inputs, nodes)`` gives the normalised batch."""

    def terms(i, v):
        return i["dout"] * x_hat(i, v)

    return (
        Mistake(
            "dgamma_not_summed",
            "Your dgamma still has one row for each example. gamma is shared by the batch: sum over axis 0.",
            {"dgamma": terms},
        ),
        Mistake(
            "dgamma_averaged",
            "Your dgamma is averaged over the batch. The chain rule adds up: use the sum.",
            {"dgamma": lambda i, v: np.mean(terms(i, v), axis=0)},
        ),
        Mistake(
            "dbeta_not_summed",
            "Your dbeta still has one row for each example. beta is shared by the batch: sum over axis 0.",
            {"dbeta": lambda i, v: i["dout"]},
        ),
        Mistake(
            "dbeta_averaged",
            "Your dbeta is averaged over the batch. The chain rule adds up: use the sum.",
            {"dbeta": lambda i, v: i["dout"].mean(0)},
        ),
        Mistake(
            "dbeta_sums_features",
            "Your dbeta sums over the features. It needs one value for each feature: sum over the batch, axis 0.",
            {"dbeta": lambda i, v: i["dout"].sum(1)},
        ),
        Mistake(
            "dgamma_and_dbeta_swapped",
            "Your dgamma and dbeta have changed places: dgamma is the sum of dout * x_hat, dbeta the sum of dout.",
            {"dgamma": lambda i, v: i["dout"].sum(0), "dbeta": lambda i, v: terms(i, v).sum(0)},
        ),
    )
