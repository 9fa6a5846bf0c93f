"""What does the judge make of answers that go wrong in ways of their own?"""

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from bn_reference.checks import SPECS, report
from bn_reference.checks.calling import run
from bn_reference.checks.judging import TOO_SLOW, judge
from bn_reference.checks.spec import INTERFACE, Case, Mistake, Node, Part, Spec
from tests.bn_reference.checks.right_answers.ps2_batchnorm import forward_with_np_var


def failed(verdict):
    return [part.title for part in verdict.parts if not part.passed]


def test_one_slip_costs_its_own_part_alone():
    """Does a missing gamma leave mean, variance and x_hat their points?"""

    def function(x, gamma, beta, eps):
        _, x_hat, mean, var = forward_with_np_var(x, gamma, beta, eps)
        return x_hat + beta, x_hat, mean, var

    verdict = report("batchnorm_forward", function)
    assert failed(verdict)[0] == "y, from your x_hat"
    assert not any("mean of" in title or "variance" in title for title in failed(verdict))


def test_two_slips_get_two_diagnoses():
    """Are two independent mistakes both named?"""

    def function(x, gamma, beta, eps):
        mean = x.mean(0)
        with np.errstate(all="ignore"):
            var = ((x - mean) ** 2).sum(0) / np.float64(len(x) - 1)
        x_hat = (x - mean) / (np.sqrt(var) + eps)
        return gamma * x_hat + beta, x_hat, mean, var

    verdict = report("batchnorm_forward", function)
    assert set(verdict.mistakes) == {"variance_divides_by_n_minus_1", "eps_outside_root"}


def test_one_pass_variance_fails_for_large_means_alone():
    """Is cancellation caught, and by its own part?"""

    def function(x, gamma, beta, eps):
        mean = x.mean(0)
        var = (x**2).mean(0) - mean**2
        x_hat = (x - mean) / np.sqrt(np.maximum(var, 0) + eps)
        return gamma * x_hat + beta, x_hat, mean, var

    verdict = report("batchnorm_forward", function)
    assert "features with a large mean" in failed(verdict)
    assert "variance of each feature" not in failed(verdict)
    assert any("Subtract the mean before you square" in sentence for sentence in verdict.advice)


def test_changed_input_costs_the_interface_part():
    """Is an answer that is right, but writes into x, told so?"""

    def function(x, gamma, beta, eps):
        y, x_hat, mean, var = forward_with_np_var(x, gamma, beta, eps)
        x -= mean
        return y, x_hat, mean, var

    verdict = report("batchnorm_forward", function)
    assert failed(verdict) == [INTERFACE.title]
    assert verdict.parts[-1].problem == "x changed during the call"


def test_keepdims_costs_the_interface_part():
    """Do statistics of shape (1, C) cost one part and not all?"""

    def function(x, gamma, beta, eps):
        mean, var = x.mean(0, keepdims=True), x.var(0, keepdims=True)
        x_hat = (x - mean) / np.sqrt(var + eps)
        return gamma * x_hat + beta, x_hat, mean, var

    verdict = report("batchnorm_forward", function)
    assert failed(verdict) == [INTERFACE.title]
    assert "mean has shape (1, " in verdict.parts[-1].problem


def test_unfinished_function_earns_nothing_and_is_told_gently():
    """Does the card of a fresh notebook say what to do, without an error?"""

    def function(*args):
        raise NotImplementedError

    verdict = report("batchnorm_forward", function)
    assert verdict.unfinished and verdict.points(5) == 0
    assert "not written yet" in repr(verdict)
    assert "FAIL" not in repr(verdict).upper().replace("NOT WRITTEN", "")


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        pytest.param(None, "returned None, expected y, x_hat, mean, var", id="nothing"),
        pytest.param(3.0, "returned 1 value(s), expected 4", id="a number"),
        pytest.param((1.0, 2.0), "returned 2 value(s), expected 4", id="too few"),
        pytest.param(("a", 1, 2, 3), "y is a str, expected an array of numbers", id="text"),
        pytest.param((object(), 1, 2, 3), "y is a object, expected an array of numbers", id="an object"),
        pytest.param((1j, 1, 2, 3), "y is a complex, expected an array of numbers", id="complex"),
    ],
)
def test_wrong_kind_of_result_is_explained(returned, says):
    """Does the report say what came back and what was expected?"""
    verdict = report("batchnorm_forward", lambda *args: returned)
    assert says in verdict.stopped_by
    assert verdict.points(5) == 0


def test_nan_is_never_right():
    """Does NaN compare as wrong everywhere?"""

    def function(x, gamma, beta, eps):
        return x * np.nan, x * np.nan, x[0] * np.nan, x[0] * np.nan

    verdict = report("batchnorm_forward", function)
    assert verdict.points(5) == 0
    assert "NaN" in verdict.parts[0].problem


def test_error_is_shown_once_with_the_learners_line():
    """Does an exception say where it came from?"""

    def function(x, gamma, beta, eps):
        return x.average(0)

    verdict = report("batchnorm_forward", function)
    assert "AttributeError" in verdict.stopped_by and "x.average(0)" in verdict.stopped_by
    assert repr(verdict).count("AttributeError") == 1


def test_error_in_one_case_costs_its_part_alone():
    """Does a function that refuses a batch of one keep its other points?"""

    def function(x, gamma, beta, eps):
        if len(x) == 1:
            raise ValueError("too small")
        return forward_with_np_var(x, gamma, beta, eps)

    assert failed(report("batchnorm_forward", function)) == ["a constant feature, and a batch of one"]


def test_warnings_and_stderr_stay_inside(capfd):
    """Does nothing reach standard error? nbgrader would give the cell no points for it."""

    def function(x, gamma, beta, eps):
        warnings.warn("careful", stacklevel=1)
        print("debugging", file=sys.stderr)
        return forward_with_np_var(x, gamma, beta, eps)

    verdict = report("batchnorm_forward", function)
    assert verdict.passed
    assert "careful" in verdict.noise and "debugging" in verdict.noise
    assert capfd.readouterr().err == ""


def test_looking_for_mistakes_is_silent():
    """Does a formula that is tried in vain, on arrays that do not suit it, keep its warnings to itself?"""

    def function(x, m):
        batches = [x[start : start + m] for start in range(0, len(x), m)]
        biased = sum(batch.var(0) for batch in batches)
        return biased, biased

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not report("average_variances", function).passed


def test_doing_nothing_right_earns_nothing_for_good_manners():
    """Does a function of zeros get the point for unchanged inputs?"""

    def function(x, gamma, beta, running_mean, running_var, eps):
        return np.zeros_like(x)

    assert report("batchnorm_inference", function).points(10) == 0


@pytest.mark.parametrize("name", ["layer_norm", "group_norm"])
def test_parts_that_are_no_merit_do_not_vouch_for_each_other(name):
    """Does a function that is wrong everywhere earn nothing, although several such parts pass?"""
    verdict = report(name, lambda x, *others: x * 1)
    assert verdict.points(10) == 0
    assert [part.problem for part in verdict.parts[-2:]] == ["counts once another part passes"] * 2


def test_named_mistake_in_a_single_output_keeps_part_of_the_points():
    """Does inference without gamma get more than inference with the batch's statistics?"""

    def without_gamma(x, gamma, beta, running_mean, running_var, eps):
        return (x - running_mean) / np.sqrt(running_var + eps) + beta

    def with_batch_statistics(x, gamma, beta, running_mean, running_var, eps):
        return forward_with_np_var(x, gamma, beta, eps)[0]

    assert 0 < report("batchnorm_inference", without_gamma).points(10) < 10
    assert report("batchnorm_inference", with_batch_statistics).points(10) == 0


def test_nan_that_follows_from_a_named_mistake_gets_no_other_name():
    """np.var(x, ddof=1) is NaN for one example, and so is all after it: is only the cause named?"""

    def function(x, gamma, beta, eps):
        mean, var = x.mean(0), np.var(x, 0, ddof=1)
        x_hat = (x - mean) / np.sqrt(var + eps)
        return gamma * x_hat + beta, x_hat, mean, var

    verdict = report("batchnorm_forward", function)
    assert verdict.mistakes == ("variance_divides_by_n_minus_1",)
    assert len(verdict.advice) == 1


def outcomes_that_took(seconds, limit):
    """Right outcomes of `batchnorm_forward`, each of which took `seconds`, and the cases with a limit."""
    spec = SPECS["batchnorm_forward"]
    cases = [replace(case, seconds=limit) for case in spec.cases(np.random.default_rng(0))]
    outcomes = [replace(run(spec, forward_with_np_var, case), seconds=seconds) for case in cases]
    return spec, cases, outcomes


def test_slow_answer_is_told_the_limit():
    """Does a right answer that takes too long fail, and hear why?"""
    verdict = judge(*outcomes_that_took(14.0, 2.0))
    assert verdict.points(1) == 0
    assert verdict.mistakes == (TOO_SLOW,)
    assert verdict.advice == (
        "took 14 s, the limit is 2 s; use array operations rather than loops over examples",
    )


def test_time_costs_nothing_without_a_limit_or_within_it():
    """Do the limit, and no limit, let a right answer pass?"""
    assert judge(*outcomes_that_took(2.0, 2.0)).passed
    assert judge(*outcomes_that_took(3600.0, None)).passed


class Doubler:
    """A right answer that is a class, for specs that call in a way of their own."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return self.factor * x


class Halver(Doubler):
    """A wrong one."""

    def forward(self, x):
        return x / self.factor


class Adder(Doubler):
    """Wrong in a way that has no name."""

    def forward(self, x):
        return np.sin(x) + self.factor


CLASSES = Spec(
    name="Doubler",
    outputs=("y",),
    nodes={"y": Node(lambda i, v: i["factor"] * i["x"])},
    reference=lambda factor, x: (factor * x,),
    cases=lambda rng: [Case("numbers", "typical", {"factor": 2.0, "x": rng.standard_normal(5) + 3})],
    parts=(Part("y", 1, ("y",), nudge="Try it on 1.", hint="Multiply.", source="Section 0"),),
    mistakes=(Mistake("halves", "It divides. Multiply instead.", code=Halver, keeps=0.5),),
    call=lambda answer, inputs: answer(inputs["factor"]).forward(inputs["x"]),
)


def judged(answer):
    cases = CLASSES.cases(np.random.default_rng(0))
    return judge(CLASSES, cases, [run(CLASSES, answer, case) for case in cases])


def test_call_says_how_an_answer_is_used():
    """Can the answer be a class, which the spec makes an object of?"""
    assert judged(Doubler).passed


def test_whole_wrong_answer_is_recognised():
    """Is a mistake that is given as code, not as formulas, named, and worth what it keeps?"""
    verdict = judged(Halver)
    assert verdict.mistakes == ("halves",)
    assert verdict.parts[0].credit == 0.5


def test_nameless_failure_shows_evidence_and_ladder():
    """Where nothing explains the answer: the smallest input, expected and got, and steps of help?"""
    verdict = judged(Adder)
    assert verdict.mistakes == ()
    assert verdict.evidence.node == "y"
    assert "expected y = [" in verdict.evidence.listing and "your y = [" in verdict.evidence.listing
    assert [sentence for _, sentence in verdict.ladders[0].steps] == [
        "Try it on 1.",
        "Multiply.",
        "Section 0",
    ]
    assert judged(Halver).evidence is None and judged(Halver).ladders == ()


def test_evidence_is_at_the_first_node_that_differs():
    """Does the report say which part of the graph is right, and where it parts?"""

    def function(x, gamma, beta, eps):
        y, x_hat, mean, var = forward_with_np_var(x, gamma, beta, eps)
        return np.tanh(y) + 0.3, x_hat, mean, var

    evidence = report("batchnorm_forward", function).evidence
    assert evidence.sentence == "Your mean, var and x_hat are right. y, which comes next, is not as expected."
