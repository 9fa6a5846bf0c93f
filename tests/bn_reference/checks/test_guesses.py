"""Does the search for small slips say what a wrong answer does, and keep quiet where nothing fits?"""

from dataclasses import replace

import numpy as np
import pytest

from bn_reference.checks import SPECS, check, guesses, judging, report, salted
from bn_reference.checks.calling import run_all
from bn_reference.checks.guesses import guess
from bn_reference.checks.spec import Mistake, Node


def forward(x, gamma, beta, eps):
    mean, var = x.mean(0), x.var(0)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def running(running_mean, running_var, mean, var, m, momentum):
    def average(old, new):
        return (1 - momentum) * old + momentum * new

    return average(running_mean, mean), average(running_var, var * m / (m - 1))


def inference(x, gamma, beta, running_mean, running_var, eps):
    return gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta


def identity(x, eps):
    gamma, beta = np.sqrt(x.var(0) + eps), x.mean(0)
    return gamma, beta, forward(x, gamma, beta, eps)[0]


def layer(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    if not training:
        return inference(x, gamma, beta, running_mean, running_var, eps), running_mean, running_var
    y, _, mean, var = forward(x, gamma, beta, eps)
    m = max(len(x), 2)
    return y, *running(running_mean, running_var, mean, var, m, momentum)


WRONG = {
    "an argument negated": (
        "batchnorm_forward",
        lambda x, g, b, e: forward(x, -g, b, e),
        "Your y is what comes out with -gamma in place of gamma.",
    ),
    "an argument's absolute value": (
        "batchnorm_forward",
        lambda x, g, b, e: forward(x, abs(g), b, e),
        "Your y is what comes out with abs(gamma) in place of gamma.",
    ),
    "an argument hard-coded": (
        "update_running_statistics",
        lambda rm, rv, mean, var, m, momentum: running(rm, rv, mean, var, m, 0.9),
        "Your running_mean is what comes out with 0.9 in place of momentum.",
    ),
    "results in another order": (
        "identity_parameters",
        lambda x, e: identity(x, e)[::-1],
        "Your gamma is what y should be; return them in this order: gamma, beta, y.",
    ),
    "a factor too many": (
        "batchnorm_inference",
        lambda *a: inference(*a) * len(a[0]),
        "Your y is what it should be, multiplied by the number of rows.",
    ),
    "a result negated": (
        "batchnorm_inference",
        lambda *a: -inference(*a),
        "Your y is -1 times what it should be.",
    ),
    "two slips at once": (
        "batchnorm_inference",
        lambda x, g, b, mean, var, e: inference(x, abs(g), abs(b), mean, var, e),
        "Your y is what comes out with abs(gamma) in place of gamma, and with abs(beta) in place of beta.",
    ),
    "a named mistake and a slip": (
        "batchnorm_inference",
        lambda x, g, b, mean, var, e: g * (x - mean) / (np.sqrt(var) + e),
        "Two things. Your eps is added outside the square root. Use sqrt(running_var + eps), as in training. "
        "And your y is what comes out with 0 in place of beta.",
    ),
    "a flag taken for its opposite": (
        "batchnorm_layer",
        lambda x, g, b, mean, var, training, *rest: layer(x, g, b, mean, var, not training, *rest),
        "Your y is what comes out with not training in place of training.",
    ),
    "a result rounded": (
        "batchnorm_inference",
        lambda *a: inference(*a).round(4),
        "Your y is right to a few digits only. Is it rounded, or computed in a smaller dtype?",
    ),
}


@pytest.mark.parametrize(("name", "function", "says"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("seed", range(5))
def test_slip_is_said(name, function, says, seed):
    """Is the sentence the right one, on whatever cases are drawn?"""
    verdict = report(name, function, seed)
    assert not verdict.passed and verdict.mistakes == ()
    assert says in verdict.advice, verdict


def test_named_mistake_comes_before_a_guess():
    """Does a mistake that has a sentence of its own keep it?"""
    verdict = report("batchnorm_inference", lambda x, g, b, m, v, e: inference(x, g, b, m, v, 0))
    assert verdict.mistakes == ("eps_missing",)
    assert not any("in place of" in sentence for sentence in verdict.advice)


def test_unknown_mistake_gets_the_hint():
    """Is nothing made up for an answer that no slip explains?"""
    verdict = report("batchnorm_inference", lambda x, *rest: inference(np.sin(x), *rest))
    assert verdict.mistakes == ()
    assert verdict.advice == ("Algorithm 1, lines 3 and 4, with running_mean and running_var.",)


def test_right_node_after_a_wrong_one_keeps_its_points():
    """Does a variance that is right stay right beside a wrong mean?"""

    def function(x, gamma, beta, eps):
        y, x_hat, _, var = forward(x, gamma, beta, eps)
        return y, x_hat, np.median(x, axis=0), var

    mean, var, *_ = report("batchnorm_forward", function).parts
    assert not mean.passed and var.passed


def test_a_slip_is_searched_for_once(monkeypatch, capsys):
    """Does a secret check leave alone what the visible check of the same function has searched for?"""
    searched = []
    monkeypatch.setattr(judging, "guess", lambda spec, name, trials: searched.append(name) or "")

    def wrong(x, gamma, beta, eps):
        y, x_hat, mean, var = forward(x, gamma, beta, eps)
        return y + 1, x_hat, mean, var

    with salted(b"a learner"):
        earned = check("batchnorm_forward", wrong, seed=7)
        assert searched == ["y"]  # nothing has been checked before
        check("batchnorm_forward", wrong)
        assert searched == ["y", "y"]
        assert check("batchnorm_forward", wrong, seed=7) == earned
        assert searched == ["y", "y"]
        check("batchnorm_forward", forward)
        check("batchnorm_forward", wrong, seed=7)
        assert searched == ["y", "y", "y"]  # right on what is visible
    capsys.readouterr()


def test_what_a_formula_refuses_explains_nothing():
    """Is a slip passed over with which a formula raises an error, whichever NumPy or torch have for that?"""

    def refuses(inputs, values):
        raise RuntimeError("shapes do not match")

    spec = SPECS["batchnorm_forward"]
    mistakes = (Mistake("refusing", "never said", {"y": refuses}), *spec.mistakes)
    spec = replace(spec, nodes={**spec.nodes, "y": Node(refuses)}, mistakes=mistakes)
    cases = spec.cases(np.random.default_rng(0))
    outcomes = run_all(spec, lambda *args: (args[0] + 1, *forward(*args)[1:]), cases)
    trials = [judging._Trial(SPECS["batchnorm_forward"], *each) for each in zip(cases, outcomes, strict=True)]
    assert not any(trial.matches(mistakes[0]) for trial in trials)
    assert guess(spec, "y", trials) == ""


@pytest.mark.parametrize(("name", "function"), [each[:2] for each in WRONG.values()], ids=WRONG)
def test_what_is_compared_at_once_is_what_one_by_one_fits(name, function, monkeypatch):
    """Do the tables of guesses leave the same sentence as trying each guess on the answer?"""
    with_tables = report(name, function, seed=11).advice
    monkeypatch.setattr(guesses, "_table", lambda *given: None)
    assert report(name, function, seed=11).advice == with_tables


def test_slips_are_worked_out_once_for_all_learners():
    """Does the second wrong answer cost hardly a formula where the first has cost thousands?"""
    spec = SPECS["batchnorm_inference"]
    right, calls = spec.nodes["y"].formula, []

    def counted(inputs, values):
        calls.append(1)
        return right(inputs, values)

    spec = replace(spec, nodes={"y": Node(counted)}, mistakes=())
    cases = spec.cases(np.random.default_rng(0))

    def search(wrong):
        calls.clear()
        outcomes = run_all(spec, wrong, cases)
        trials = [judging._Trial(spec, *each) for each in zip(cases, outcomes, strict=True)]
        assert guess(spec, "y", trials) == ""
        return len(calls)

    first = search(lambda x, *rest: inference(np.sin(x), *rest))
    assert search(lambda x, *rest: inference(np.cos(x), *rest)) < first / 10


def test_a_formula_that_goes_through_all_results_waits_for_them():
    """Is a slip still found where the formula does not ask for an earlier result by its name?"""
    spec = SPECS["batchnorm_inference"]
    right = spec.nodes["y"].formula
    spec = replace(
        spec, nodes={"y": Node(lambda inputs, values: right(inputs, dict(values.items())))}, mistakes=()
    )
    cases = spec.cases(np.random.default_rng(0))
    outcomes = run_all(spec, lambda x, g, *rest: inference(x, -g, *rest), cases)
    trials = [judging._Trial(spec, *each) for each in zip(cases, outcomes, strict=True)]
    assert guess(spec, "y", trials) == "Your y is what comes out with -gamma in place of gamma."
