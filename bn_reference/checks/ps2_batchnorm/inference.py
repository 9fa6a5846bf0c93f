"""Spec of ``batchnorm_inference``: Algorithm 2, line 11."""

import numpy as np

from bn_reference.batchnorm import batchnorm_inference
from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _inference_inputs(x, rng, eps):
    c = x.shape[1]
    return {
        "x": x,
        "gamma": vector(rng, x),
        "beta": vector(rng, x),
        "running_mean": (x.mean(0) + rng.uniform(0.5, 1.0, c)).astype(x.dtype),
        "running_var": rng.uniform(0.5, 4.0, c).astype(x.dtype),
        "eps": eps,
    }


def _inference(i, mean, var, eps):
    return i["gamma"] * (i["x"] - mean) / np.sqrt(var + eps) + i["beta"]


INFERENCE = Spec(
    name="batchnorm_inference",
    outputs=("y",),
    nodes={
        "y": Node(
            lambda i, v: _inference(i, i["running_mean"], i["running_var"], i["eps"]),
            magnitude=lambda i: np.max(np.abs(i["gamma"] * i["x"]) / np.sqrt(i["running_var"] + i["eps"])),
        )
    },
    reference=lambda **inputs: (batchnorm_inference(**inputs),),
    cases=lambda rng: batch_cases(rng, _inference_inputs),
    parts=(
        Part(
            "y on ordinary batches",
            3,
            ("y",),
            nudge="Which numbers of the training pass does inference replace, and by what?",
            hint="Algorithm 1, lines 3 and 4, with running_mean and running_var.",
            source="Ioffe & Szegedy 2015, Algorithm 2, line 11.",
        ),
        Part(
            "a single example, and a feature that is constant in the batch",
            1,
            ("y",),
            ("edge",),
            nudge="Would an example get the same answer in other company?",
            hint="At inference each example is normalised by itself: the rest of the batch must not matter.",
            source="The chapter's section 'Algorithm 2: what happens at inference'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("y",),
            ("offset",),
            nudge="In which order do you subtract and scale?",
            hint="Subtract the mean before you scale.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 3.",
        ),
    ),
    mistakes=(
        Mistake(
            "batch_statistics_at_inference",
            "Your function normalises with the statistics of this batch. At inference use running_mean and "
            "running_var, so that an example's result does not depend on its neighbours.",
            {"y": lambda i, v: _inference(i, i["x"].mean(0), i["x"].var(0), i["eps"])},
        ),
        Mistake(
            "batch_mean_at_inference",
            "Your function subtracts the mean of this batch. At inference subtract running_mean.",
            {"y": lambda i, v: _inference(i, i["x"].mean(0), i["running_var"], i["eps"])},
        ),
        Mistake(
            "batch_variance_at_inference",
            "Your function divides by the standard deviation of this batch. At inference use running_var.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["x"].var(0), i["eps"])},
        ),
        Mistake(
            "mean_and_variance_swapped",
            "Your running_mean and running_var have changed places.",
            {"y": lambda i, v: _inference(i, i["running_var"], i["running_mean"], i["eps"])},
        ),
        Mistake(
            "running_variance_corrected_again",
            "Your function makes running_var unbiased once more. It was, when it was updated: use it as it is.",
            {
                "y": lambda i, v: _inference(
                    i,
                    i["running_mean"],
                    i["running_var"] * np.float64(len(i["x"])) / (len(i["x"]) - 1),
                    i["eps"],
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps that the caller passes.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"], 1e-5)},
            keeps=0.5,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Use sqrt(running_var + eps), as in training.",
            {
                "y": lambda i, v: _inference(
                    i, i["running_mean"], (np.sqrt(i["running_var"]) + i["eps"]) ** 2, 0
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your function leaves eps out. Training had it under the root, and inference has to do the same.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"], 0)},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your function divides by the variance. Divide by the standard deviation, sqrt(running_var + eps).",
            {"y": lambda i, v: _inference(i, i["running_mean"], (i["running_var"] + i["eps"]) ** 2, 0)},
            keeps=0.5,
        ),
        Mistake(
            "running_variance_taken_for_standard_deviation",
            "Your function treats running_var as a standard deviation. It is a variance: take the root.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"] ** 2, 0)},
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_forgotten",
            "Your function stops at x_hat. Scale by gamma and shift by beta, as in training.",
            {"y": lambda i, v: (i["x"] - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"])},
            keeps=0.5,
        ),
        Mistake(
            "gamma_forgotten",
            "Your y lacks gamma: y = gamma * x_hat + beta.",
            {
                "y": lambda i, v: (
                    (i["x"] - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"]) + i["beta"]
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "beta_forgotten",
            "Your y lacks beta: y = gamma * x_hat + beta.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"], i["eps"]) - i["beta"]},
            keeps=0.5,
        ),
        Mistake(
            "gamma_applied_twice",
            "Your y has gamma twice. Scale once: y = gamma * x_hat + beta.",
            {
                "y": lambda i, v: (
                    i["gamma"] * (_inference(i, i["running_mean"], i["running_var"], i["eps"]) - i["beta"])
                    + i["beta"]
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "gamma_multiplies_beta",
            "Your gamma multiplies beta too. Scale first, then shift: gamma * x_hat + beta.",
            {
                "y": lambda i, v: (
                    _inference(i, i["running_mean"], i["running_var"], i["eps"])
                    + (i["gamma"] - 1) * i["beta"]
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_swapped",
            "Your gamma and beta have changed places: gamma scales, beta shifts.",
            {
                "y": lambda i, v: _inference(
                    {**i, "gamma": i["beta"], "beta": i["gamma"]},
                    i["running_mean"],
                    i["running_var"],
                    i["eps"],
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "beta_subtracted",
            "Your y subtracts beta. Add it: y = gamma * x_hat + beta.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"], i["eps"]) - 2 * i["beta"]},
            keeps=0.5,
        ),
        Mistake(
            "multiplied_by_standard_deviation",
            "Your function multiplies by sqrt(running_var + eps). Divide by it.",
            {
                "y": lambda i, v: (
                    i["gamma"] * (i["x"] - i["running_mean"]) * np.sqrt(i["running_var"] + i["eps"])
                    + i["beta"]
                )
            },
            keeps=0.25,
        ),
        Mistake(
            "mean_not_subtracted",
            "Your function does not subtract running_mean.",
            {"y": lambda i, v: _inference(i, 0, i["running_var"], i["eps"])},
            keeps=0.25,
        ),
    ),
    chapter="inference",
)
