"""Spec of ``network_scores``: the network at inference."""

import numpy as np

from bn_reference.checks.ps3_backprop.calls import call_scores
from bn_reference.checks.ps3_backprop.network import EPS, scores, small_networks
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _cases(rng):
    cases = small_networks(rng, single=True, large=False)
    for case in cases:
        del case.inputs["labels"]
    return cases


def _by_hand(i, *, mean=None, var=None, eps=EPS, root=np.sqrt, relu=True, gamma=None, beta=None):
    """The scores with something to turn."""
    mean = i["running_mean"] if mean is None else mean
    var = i["running_var"] if var is None else var
    gamma = i["gamma"] if gamma is None else gamma
    beta = i["beta"] if beta is None else beta
    y = gamma * (i["x"] @ i["W1"] - mean) / root(var + eps) + beta
    return (np.maximum(y, 0) if relu else y) @ i["W2"] + i["b2"]


def _batch(i):
    hidden = i["x"] @ i["W1"]
    return hidden.mean(0), hidden.var(0)


SCORES = Spec(
    name="network_scores",
    outputs=("scores",),
    nodes={
        "scores": Node(
            lambda i, v: scores(i), magnitude=lambda i: np.abs(_by_hand(i)).max() + np.abs(i["W2"]).max()
        )
    },
    reference=lambda **inputs: (scores(inputs),),
    cases=_cases,
    parts=(
        Part(
            "scores of a batch",
            3,
            ("scores",),
            nudge="Go through the steps of the table one by one, and print each shape.",
            hint="x @ W1, then Batch Normalization with the running statistics, then ReLU, then @ W2 + b2.",
            source="Ioffe & Szegedy 2015, Algorithm 2, line 11",
        ),
        Part(
            "scores of a single example",
            1,
            ("scores",),
            ("edge",),
            nudge="What are the mean and the variance of one example?",
            hint="At inference the batch must not matter: use running_mean and running_var.",
            source="Ioffe & Szegedy 2015, Section 3.1",
        ),
    ),
    mistakes=(
        Mistake(
            "batch_statistics_at_inference",
            "Your network normalises with the statistics of this batch. At inference use running_mean and running_var, "
            "so that an example's scores do not depend on its neighbours.",
            {"scores": lambda i, v: scores(i, *_batch(i))},
        ),
        Mistake(
            "batch_mean_at_inference",
            "Your network subtracts the mean of this batch. At inference subtract running_mean.",
            {"scores": lambda i, v: _by_hand(i, mean=_batch(i)[0])},
        ),
        Mistake(
            "batch_normalization_left_out",
            "Your network has no Batch Normalization: x @ W1 goes straight into the ReLU.",
            {"scores": lambda i, v: np.maximum(i["x"] @ i["W1"], 0) @ i["W2"] + i["b2"]},
        ),
        Mistake(
            "relu_forgotten",
            "Your scores lack the ReLU between Batch Normalization and W2. Without it the network is one linear map.",
            {"scores": lambda i, v: _by_hand(i, relu=False)},
            keeps=0.25,
        ),
        Mistake(
            "relu_before_batch_normalization",
            "Your ReLU comes before Batch Normalization. Here it comes after: normalise x @ W1, then cut at zero.",
            {
                "scores": lambda i, v: (
                    (
                        i["gamma"]
                        * (np.maximum(i["x"] @ i["W1"], 0) - i["running_mean"])
                        / np.sqrt(i["running_var"] + EPS)
                        + i["beta"]
                    )
                    @ i["W2"]
                    + i["b2"]
                )
            },
            keeps=0.25,
        ),
        Mistake(
            "softmax_returned",
            "Your function returns probabilities. The scores are what goes into the softmax: stop after adding b2.",
            {
                "scores": lambda i, v: (
                    np.exp(scores(i) - scores(i).max(1, keepdims=True))
                    / np.exp(scores(i) - scores(i).max(1, keepdims=True)).sum(1, keepdims=True)
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "labels_returned",
            "Your function returns the class of the largest score. Return the scores themselves, one row for each "
            "example.",
            {"scores": lambda i, v: scores(i).argmax(1)},
            keeps=0.25,
        ),
        Mistake(
            "b2_forgotten",
            "Your scores lack b2.",
            {"scores": lambda i, v: scores(i) - i["b2"]},
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_forgotten",
            "Your network stops Batch Normalization at x_hat. Scale by gamma and shift by beta before the ReLU.",
            {"scores": lambda i, v: _by_hand(i, gamma=1, beta=0)},
            keeps=0.25,
        ),
        Mistake(
            "divides_by_variance",
            "Your network divides by the variance. Divide by its root, sqrt(running_var + eps).",
            {"scores": lambda i, v: _by_hand(i, root=np.asarray)},
            keeps=0.5,
        ),
    ),
    chapter="batchnorm_transform",
    call=call_scores,
)
