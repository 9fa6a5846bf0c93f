"""Spec of ``network_gradients``: forward and backward through the whole network."""

import numpy as np

from bn_reference.checks.ps3_backprop.calls import LEARNED, call_gradients
from bn_reference.checks.ps3_backprop.network import (
    labels_of,
    loss_and_gradients,
    small_networks,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec

GRADIENTS = tuple("d" + name for name in LEARNED)


def _reference(**inputs):
    found = loss_and_gradients(inputs)
    return tuple(found[name] for name in ("loss", *GRADIENTS, "mean", "var"))


def _of(name):
    return Node(lambda i, v: loss_and_gradients(i)[name], magnitude=_size)


def _size(i):
    """What a rounding of the scores grows to on its way back, at most."""
    found = loss_and_gradients(i)
    on_the_way = (i["W2"], i["gamma"] / found["std"], i["x"])
    return max(1.0, np.max(np.abs(found["logits"]))) * np.prod([np.max(np.abs(v)) for v in on_the_way])


def _scaled(names, factor):
    return {name: lambda i, v, name=name: loss_and_gradients(i)[name] * factor(len(i["x"])) for name in names}


def _back_from(dlogits):
    """All gradients for another gradient of the scores: ``dlogits(found, i)``."""

    def back(i):
        found = loss_and_gradients(i)
        wrong = dlogits(found, i)
        return _below(i, found, wrong, (wrong @ i["W2"].T) * (found["y"] > 0))

    return {name: lambda i, v, name=name: back(i)[name] for name in GRADIENTS}


def _below(i, found, dlogits, dy):
    g, x_hat = dy - dy.mean(0), found["x_hat"]
    dx = i["gamma"] / found["std"] * (g - x_hat * (dy * x_hat).mean(0))
    return {
        "dW2": np.maximum(found["y"], 0).T @ dlogits,
        "db2": dlogits.sum(0),
        "dgamma": (dy * x_hat).sum(0),
        "dbeta": dy.sum(0),
        "dW1": i["x"].T @ dx,
    }


def _without_relu_mask(name):
    def formula(i, v):
        found = loss_and_gradients(i)
        return _below(i, found, found["dlogits"], found["dhidden"])[name]

    return formula


def _constant_statistics(i, v):
    found = loss_and_gradients(i)
    return i["x"].T @ (found["dhidden"] * (found["y"] > 0) * i["gamma"] / found["std"])


def _overflowing(name):
    """The softmax without its largest score taken out."""

    def back(i):
        found = loss_and_gradients(i)
        powers = np.exp(found["logits"])
        p = powers / powers.sum(1, keepdims=True)
        rows, labels = np.arange(len(p)), labels_of(i)
        wrong = p.copy()
        wrong[rows, labels] -= 1
        wrong /= len(p)
        below = _below(i, found, wrong, np.where(found["y"] > 0, wrong @ i["W2"].T, 0))
        return {**below, "loss": -np.log(p[rows, labels]).mean()}

    return lambda i, v: back(i)[name]


def _one_hot(i, found):
    return np.eye(found["logits"].shape[1])[labels_of(i)]


NETWORK_GRADIENTS = Spec(
    name="network_gradients",
    outputs=("loss", *GRADIENTS, "mean", "var"),
    nodes={name: _of(name) for name in ("mean", "var", "loss", "db2", "dW2", "dbeta", "dgamma", "dW1")},
    reference=_reference,
    cases=lambda rng: small_networks(rng, single=True, large=True),
    parts=(
        Part(
            "mean and variance of the hidden layer",
            1,
            ("mean", "var"),
            nudge="Of which array does Batch Normalization take the statistics?",
            hint="The mean and the biased variance of x @ W1 over the batch.",
            source="Ioffe & Szegedy 2015, Algorithm 1, lines 1 and 2",
        ),
        Part(
            "loss",
            1,
            ("loss",),
            nudge="Is the loss of two equal examples that of one?",
            hint="The mean over the batch of minus the logarithm of the right label's probability.",
            source="Part 7 of the problem set, the table of the steps",
        ),
        Part(
            "db2 and dW2",
            2,
            ("db2", "dW2"),
            nudge="Print the shape of the gradient of the scores. What do its rows add up to?",
            hint="The gradient of the scores is (p - one_hot) / m. Then db2 is its sum, and dW2 is hidden.T @ it.",
            source="Part 7 of the problem set, below the table of the steps",
        ),
        Part(
            "dgamma and dbeta",
            2,
            ("dgamma", "dbeta"),
            nudge="Between W2 and Batch Normalization lies the ReLU. What passes back through it?",
            hint="Send the gradient back through W2.T, then only where the ReLU was open, then sum as in Part 3.",
            source="Chapter Backpropagation through BN, From y to beta, gamma and x_hat",
        ),
        Part(
            "dW1",
            2,
            ("dW1",),
            nudge="Check batchnorm_backward first. Is it given the gradient behind the ReLU?",
            hint="dW1 is x.T @ dx, with dx from batchnorm_backward.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
        Part(
            "a batch of one example",
            1,
            ("mean", "var", "loss", "dW1", "dgamma", "dbeta", "dW2", "db2"),
            ("edge",),
            nudge="What is x_hat there?",
            hint="With one example x_hat is 0, and dW1 and dgamma are 0 too.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
        Part(
            "scores in the thousands",
            1,
            ("loss", "dW1", "dgamma", "dbeta", "dW2", "db2"),
            ("large",),
            nudge="What is np.exp(1000)?",
            hint="Take the largest score of each row out before the exponential. The probabilities stay the same.",
            source="Part 7 of the problem set, below the table of the steps",
        ),
    ),
    mistakes=(
        Mistake(
            "softmax_overflows",
            "Your exponential overflows for large scores, and gives NaN. Take the largest score of each row out first: "
            "the probabilities stay the same.",
            {name: _overflowing(name) for name in ("loss", *GRADIENTS)},
        ),
        Mistake(
            "loss_and_gradient_summed",
            "Your loss is the sum over the batch, and so are your gradients. Take the mean: divide by m.",
            _scaled(("loss", *GRADIENTS), lambda m: m),
            keeps=0.5,
        ),
        Mistake(
            "gradient_not_averaged",
            "Your gradients are m times too large. The loss is a mean over the batch: divide the gradient of the scores "
            "by m.",
            _scaled(GRADIENTS, lambda m: m),
            keeps=0.5,
        ),
        Mistake(
            "loss_summed",
            "Your loss is the sum over the batch. Take the mean.",
            _scaled(("loss",), lambda m: m),
        ),
        Mistake(
            "gradient_averaged_twice",
            "Your gradients are m times too small. Divide by m once, at the scores; all sums over the batch stay sums.",
            _scaled(GRADIENTS, lambda m: 1 / m),
            keeps=0.5,
        ),
        Mistake(
            "wrong_sign",
            "Your gradients have the wrong sign. The gradient of the scores is (p - one_hot) / m, not (one_hot - p) / m.",
            _scaled(GRADIENTS, lambda m: -1),
            keeps=0.5,
        ),
        Mistake(
            "loss_sign",
            "Your loss is negative. It is minus the logarithm of a probability.",
            _scaled(("loss",), lambda m: -1),
        ),
        Mistake(
            "label_not_subtracted",
            "Your gradient of the scores is p / m. Subtract 1 at the right label first.",
            _back_from(lambda found, i: np.exp(found["log_p"]) / len(i["x"])),
        ),
        Mistake(
            "probabilities_left_out",
            "Your gradient of the scores is -1/m at the right label and 0 elsewhere. The softmax has every score in its "
            "denominator: it is (p - one_hot) / m.",
            _back_from(lambda found, i: -_one_hot(i, found) / len(i["x"])),
        ),
        Mistake(
            "relu_mask_missing",
            "Your gradient passes the ReLU unchanged. Where the ReLU gave 0, nothing comes back: multiply by (y > 0).",
            {name: _without_relu_mask(name) for name in ("dgamma", "dbeta", "dW1")},
        ),
        Mistake(
            "statistics_taken_as_constants",
            "Your dW1 treats mean and variance as constants. Send the gradient back with batchnorm_backward.",
            {"dW1": _constant_statistics},
        ),
        Mistake(
            "variance_unbiased",
            "Your var divides by m - 1. The variance that normalises, and that this function returns, divides by m.",
            {"var": lambda i, v: loss_and_gradients(i)["var"] * len(i["x"]) / np.float64(len(i["x"]) - 1)},
        ),
        Mistake(
            "dgamma_and_dbeta_swapped",
            "Your dgamma and dbeta have changed places. batchnorm_backward returns dx, dgamma, dbeta, in this order.",
            {
                "dgamma": lambda i, v: loss_and_gradients(i)["dbeta"],
                "dbeta": lambda i, v: loss_and_gradients(i)["dgamma"],
            },
        ),
    ),
    chapter="backpropagation",
    call=call_gradients,
)
