"""What do the checks of `ps3_backprop` say to answers that go wrong in ways of their own?"""

import numpy as np
import pytest

from bn_reference.checks import report
from tests.bn_reference.checks.right_answers.ps3_backprop import (
    closed_with_means,
    gradient_with_ndindex,
    gradients_plainly,
    train_by_epochs,
    update_plainly,
)


def failed(verdict):
    return [part.title for part in verdict.parts if not part.passed]


def trained(x, labels, seed, *, steps=600, rate=0.3, updates=update_plainly):
    """A training run with another update, of another shape than any that the spec knows."""
    rng = np.random.default_rng(seed)
    network = {
        "W1": rng.standard_normal((64, 40)) / 8,
        "gamma": np.ones(40),
        "beta": np.zeros(40),
        "W2": rng.standard_normal((40, 10)) / 6,
        "b2": np.zeros(10),
        "running_mean": np.zeros(40),
        "running_var": np.ones(40),
    }
    for _ in range(steps):
        rows = rng.integers(len(x), size=40)
        _, gradients, mean, var = gradients_plainly(network, x[rows], labels[rows])
        network = updates(network, gradients, mean, var, 40, rate)
    return network


def keeping(*names):
    """An update that leaves some of the network as it is."""

    def update(network, *rest):
        return update_plainly(network, *rest) | {name: network[name] for name in names}

    return update


@pytest.mark.parametrize(
    ("names", "mistake"),
    [
        (("running_mean", "running_var"), "running_statistics_not_updated"),
        (("gamma", "beta"), "gamma_and_beta_never_updated"),
        (("gamma",), "gamma_never_updated"),
        (("beta",), "beta_never_updated"),
    ],
)
def test_training_that_leaves_something_out_is_told_what(names, mistake):
    """Is the mistake named in a run whose accuracy nobody can foresee?"""
    verdict = report("train_network", lambda *data: trained(*data, updates=keeping(*names)))
    assert not verdict.passed
    assert verdict.mistakes[0] == mistake, verdict


def test_climbing_the_gradient_is_named():
    """Is a network that gets worse told to look at the sign?"""
    verdict = report("train_network", lambda *data: trained(*data, steps=100, rate=-0.3))
    assert "at_chance" in verdict.mistakes or "diverged" in verdict.mistakes
    assert verdict.points(11) <= 5


def test_short_training_earns_a_part_of_the_points():
    """Do the levels of accuracy give partial credit?"""
    verdict = report("train_network", lambda *data: trained(*data, steps=45, rate=0.1))
    assert verdict.mistakes == ("stops_too_early",), verdict
    assert 0 < verdict.points(11) < 11


def test_network_of_nan_earns_nothing():
    """Is a diverged network caught, with its own sentence?"""

    def train(x, labels, seed):
        return {name: value * np.nan for name, value in train_by_epochs(x, labels, seed).items()}

    verdict = report("train_network", train)
    assert verdict.mistakes == ("diverged",) and verdict.points(10) == 0


def test_network_without_a_key_is_explained():
    """Does the learner hear which entry is missing?"""
    verdict = report("train_network", lambda *data: {"W1": np.zeros((64, 5))})
    assert "the network lacks gamma, beta, W2, b2, running_mean, running_var" in verdict.stopped_by


@pytest.mark.parametrize("step", [1e-9, 1e-11, 1e-14])
def test_any_tiny_step_is_named(step):
    """Is rounding noise recognised, whatever the step that made it?"""
    verdict = report("numerical_gradient", lambda f, x, dout, h: gradient_with_ndindex(f, x, dout, step))
    assert verdict.mistakes == ("step_too_small",), verdict


def test_gradient_check_that_moves_x_loses_a_part():
    """Does a loop that does not put x back as it was lose its point for good manners?"""

    def gradient(f, x, dout, h):
        dx = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            x[index] += h
            above = np.array(f(x))
            x[index] -= 2 * h
            dx[index] = np.sum((above - f(x)) * dout) / (2 * h)
            x[index] += h
        return dx

    assert "inputs left unchanged, outputs in the stated shapes" in failed(
        report("numerical_gradient", gradient)
    )


def test_update_in_place_costs_the_interface_part():
    """Is writing into the caller's arrays told apart from a wrong step?"""

    def update(network, gradients, mean, var, m, learning_rate, momentum):
        new = update_plainly(network, gradients, mean, var, m, learning_rate, momentum)
        for name in gradients:
            network[name] -= learning_rate * gradients[name]
        return new

    verdict = report("update_network", update)
    assert failed(verdict) == ["inputs left unchanged, outputs in the stated shapes"]


def test_naive_softmax_costs_the_large_scores_alone():
    """Does an exponential that overflows keep the points of ordinary scores, and hear why?"""

    def gradients(network, x, labels):
        h = x @ network["W1"]
        mean, var = h.mean(0), h.var(0)
        x_hat = (h - mean) / np.sqrt(var + 1e-5)
        y = network["gamma"] * x_hat + network["beta"]
        hidden = np.maximum(y, 0)
        powers = np.exp(hidden @ network["W2"] + network["b2"])
        p = powers / powers.sum(1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(p[rows, labels]).mean()
        p[rows, labels] -= 1
        p /= len(x)
        dy = p @ network["W2"].T * (y > 0)
        dh, dgamma, dbeta = closed_with_means(dy, x_hat, network["gamma"], var)
        found = {"W1": x.T @ dh, "gamma": dgamma, "beta": dbeta, "W2": hidden.T @ p, "b2": p.sum(0)}
        return loss, found, mean, var

    verdict = report("network_gradients", gradients)
    assert failed(verdict) == ["scores in the thousands"]
    assert "Take the largest score of each row out" in " ".join(verdict.advice)
