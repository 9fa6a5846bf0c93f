"""Spec of ``train_network``: the learner's network on real digits, judged at inference.

A training run has no right result to compare with, entry by entry. So `_measure` looks at what came out of
it: each output is a measurement, cut off at what is asked for, so that whoever reaches it gets the same.
"""

import numpy as np

from bn_reference.checks.ps3_backprop.calls import KEPT, LEARNED, call_training
from bn_reference.checks.ps3_backprop.network import scores
from bn_reference.checks.spec import Case, Formula, Mistake, Node, Part, Spec

SECONDS = 30.0
"""More than ten times what a plain loop over mini-batches takes."""
ASKED = {
    "accuracy_up_to_80": 0.80,
    "accuracy_up_to_90": 0.90,
    "accuracy_up_to_94": 0.94,
    "gamma_moved": 1.0,
    "beta_moved": 1.0,
    "running_statistics_moved": 1.0,
    "running_statistics_near": 1.0,
    "better_than_chance_in_training_mode": 1.0,
    "finite": 1.0,
    "seconds_or_more": SECONDS,
}
"""The outputs, and what each is for a network that does all that is asked."""


def _cases(rng):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    # 1400 leaves no tiny last mini-batch, whether these have 16, 25, 32, 50, 64, 100 or 128 examples.
    train, test = order[:1400], order[1400 : int(rng.integers(1780, len(images)))]
    inputs = {
        "x": images[train] / 16,
        "labels": labels[train],
        "seed": int(rng.integers(1000)),
        "x_test": images[test] / 16,
        "labels_test": labels[test],
    }
    return [Case(f"{len(train)} digits to train on, {len(test)} others to test", "typical", inputs)]


def _measure(inputs, network, seconds):
    measured = _measured(inputs, network) | {"seconds_or_more": max(seconds, SECONDS)}
    return tuple(measured[name] for name in ASKED)


def _measured(inputs, network):
    if not all(np.isfinite(value).all() for value in network.values()):
        return dict.fromkeys(ASKED, 0.0)
    right = scores(network | {"x": inputs["x_test"]}).argmax(axis=1) == inputs["labels_test"]
    hidden = inputs["x"] @ network["W1"]
    mean, var = network["running_mean"], network["running_var"]
    off = np.abs(mean - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
    ratio = (var + 1e-5) / (hidden.var(0) + 1e-5)
    learned = scores(network | {"x": inputs["x"]}, hidden.mean(0), hidden.var(0)).argmax(axis=1)
    return {
        "better_than_chance_in_training_mode": float(np.mean(learned == inputs["labels"]) > 0.25),
        **{f"accuracy_up_to_{percent}": min(right.mean(), percent / 100) for percent in (80, 90, 94)},
        "gamma_moved": float(np.ptp(network["gamma"]) > 0),
        "beta_moved": float(np.ptp(network["beta"]) > 0),
        "running_statistics_moved": float(np.ptp(mean) > 0 and np.ptp(var) > 0),
        "running_statistics_near": float(np.median(off) < 0.5 and 1 / 3 < np.median(ratio) < 3),
        "finite": 1.0,
    }


ACCURACIES = ("accuracy_up_to_80", "accuracy_up_to_90", "accuracy_up_to_94")


def _seen(name: str, usual: float, low: float = -np.inf, high: float = np.inf) -> Formula:
    """What was measured, if it lies between `low` and `high`; a value that does, where nothing was."""

    def formula(i, v):
        value = np.asarray(v.get(name, usual))
        return value if low <= value < high else np.full(value.shape, np.nan)

    return formula


def _and_so(usual, **limits):
    """Accuracies that follow from a mistake, whatever they are within the limits."""
    return {name: _seen(name, usual, **limits) for name in ACCURACIES}


def _is(value):
    return lambda i, v: np.asarray(value)


TRAINING = Spec(
    name="train_network",
    outputs=tuple(ASKED),
    nodes={name: Node(_is(value)) for name, value in ASKED.items()},
    reference=lambda **inputs: tuple(map(np.asarray, ASKED.values())),
    cases=_cases,
    parts=(
        Part(
            "80% of the test digits right, at inference",
            2,
            ("accuracy_up_to_80", "better_than_chance_in_training_mode", "finite"),
            nudge="Print the loss every twenty steps. Does it fall?",
            hint="If the loss does not fall, check network_gradients and update_network first. If it falls, check that "
            "the labels belong to the rows of x.",
            source="Part 7 of the problem set, 7d",
        ),
        Part(
            "90%",
            2,
            ("accuracy_up_to_90", "finite"),
            nudge="How many times has the network seen each digit?",
            hint="Go through all digits several times, in a new order each time, in mini-batches.",
            source="Part 7 of the problem set, 7d",
        ),
        Part(
            "94%",
            2,
            ("accuracy_up_to_94", "finite"),
            nudge="Does the loss still fall when you stop?",
            hint="Try 50 hidden units or more, a learning rate from 0.1 to 1, and 10 epochs or more.",
            source="Part 7 of the problem set, 7d",
        ),
        Part(
            "gamma and beta are trained",
            1,
            ("gamma_moved", "beta_moved", "finite"),
            nudge="Print gamma and beta of the network that you return.",
            hint="Take the new network that update_network returns into the next step.",
            source="Ioffe & Szegedy 2015, Algorithm 1: parameters to be learned",
        ),
        Part(
            "running statistics are those of the hidden layer",
            2,
            ("running_statistics_moved", "running_statistics_near", "finite"),
            nudge="Compare running_mean with the mean of x @ W1 over all training digits.",
            hint="Give update_network the mean and var that network_gradients returns, at each step, and the true m.",
            source="Ioffe & Szegedy 2015, Section 3.1",
        ),
        Part(
            "within 30 seconds",
            1,
            ("seconds_or_more", "finite"),
            nudge="Count the Python loops inside one step.",
            hint="One step should be a handful of array operations, with no loop over examples or units.",
            source="Part 7 of the problem set, 7d",
        ),
    ),
    mistakes=(
        Mistake(
            "diverged",
            "Your network holds NaN or infinite values. The learning rate is too large, or the softmax overflows: take "
            "the largest score of each row out before the exponential.",
            {name: _is(SECONDS if name == "seconds_or_more" else 0.0) for name in ASKED},
        ),
        Mistake(
            "running_statistics_not_updated",
            "Your running statistics are still what the network began with, and inference normalises with them. Move "
            "them at each step towards the mean and var of the batch.",
            {
                "running_statistics_moved": _is(0.0),
                "running_statistics_near": _seen("running_statistics_near", 0.0),
                **_and_so(0.3),
            },
        ),
        Mistake(
            "at_chance",
            "Your network knows no more than chance. Either the step goes up the gradient (the loss grows), or the "
            "network of each step is not taken into the next, or x is shuffled and the labels are not.",
            {
                "better_than_chance_in_training_mode": _is(0.0),
                "running_statistics_near": _seen("running_statistics_near", 1.0),
                **_and_so(0.1, high=0.3),
            },
        ),
        Mistake(
            "running_statistics_of_something_else",
            "Your running statistics move, but not towards the mean and variance of x @ W1. Are they those of another "
            "layer, or in each other's place, or is momentum the weight of the old value?",
            {"running_statistics_near": _is(0.0), **_and_so(0.3)},
        ),
        Mistake(
            "gamma_and_beta_never_updated",
            "Your gamma and beta are still what the network began with. They are learned like the weights.",
            {"gamma_moved": _is(0.0), "beta_moved": _is(0.0)},
        ),
        Mistake(
            "gamma_never_updated",
            "Your gamma is still what the network began with. It is learned like the weights.",
            {"gamma_moved": _is(0.0)},
        ),
        Mistake(
            "beta_never_updated",
            "Your beta is still what the network began with. It is learned like the weights.",
            {"beta_moved": _is(0.0)},
        ),
        Mistake(
            "stops_too_early",
            "Your network learns, but is not there yet. Train for more epochs, or with a larger learning rate or more "
            "hidden units, or in smaller mini-batches.",
            _and_so(0.7, low=0.25, high=0.9399),
        ),
        Mistake(
            "too_slow",
            "Your training takes more than 30 seconds. Look for a Python loop over examples, units or classes inside a "
            "step: a matrix product does all of them at once.",
            {"seconds_or_more": _seen("seconds_or_more", 45.0, low=30.001)},
        ),
    ),
    chapter="batchnorm_transform",
    call=call_training,
    returned=(*LEARNED, *KEPT),
    measure=_measure,
    withheld=("x_test", "labels_test"),
)
