"""Do the checks hold for inputs that nobody chose, and for answers near the edge of right?"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bn_reference.batchnorm import batchnorm_forward, batchnorm_inference
from bn_reference.checks import SPECS, report
from bn_reference.checks.calling import Outcome, run
from bn_reference.checks.judging import judge
from bn_reference.checks.spec import Case
from bn_reference.checks.tolerance import tolerances
from tests.bn_reference.checks.right_answers import RIGHT_ANSWERS

seeds = st.integers(0, 2**32 - 1)
forward_cases = st.builds(
    lambda seed, n, c, exponent, offset, eps: make_forward_case(seed, n, c, 10.0**exponent, offset, eps),
    seeds,
    st.integers(1, 40),
    st.integers(1, 9),
    st.floats(-3, 3),
    st.floats(-100, 100),
    st.sampled_from([1e-8, 1e-5, 1e-2, 1.0]),
)


def make_forward_case(seed, n, c, scale, offset, eps):
    rng = np.random.default_rng(seed)
    gamma, beta = rng.standard_normal((2, c))
    x = scale * (rng.standard_normal((n, c)) + offset)
    return Case(f"drawn, x of shape {x.shape}", "typical", {"x": x, "gamma": gamma, "beta": beta, "eps": eps})


def composed(spec, case):
    """The nodes of the graph, each from the ones before it."""
    values = {}
    for name, node in spec.nodes.items():
        values[name] = node.formula(case.inputs, values)
    return values


def assert_within(values, expected, tolerance):
    for name, value in values.items():
        assert np.max(np.abs(value - expected[name])) <= tolerance[name], name


@given(case=forward_cases)
def test_nodes_of_forward_compose_to_the_reference_on_any_batch(case):
    """Are the formulas and the reference one function for every shape, scale and offset?"""
    spec = SPECS["batchnorm_forward"]
    expected = spec.expected(case)
    assert_within(composed(spec, case), expected, tolerances(spec, case, expected))


@given(case=forward_cases)
def test_right_answers_are_within_tolerance_on_any_batch(case):
    """Is the tolerance wide enough for every way to write a right answer, far from the cases of the check?"""
    spec = SPECS["batchnorm_forward"]
    expected = spec.expected(case)
    tolerance = tolerances(spec, case, expected)
    for answer in RIGHT_ANSWERS["batchnorm_forward"]:
        outcome = run(spec, answer, case)
        assert outcome.error == ""
        assert_within(outcome.values, expected, tolerance)


@given(name=st.sampled_from(sorted(RIGHT_ANSWERS)), seed=seeds, data=st.data())
def test_points_do_not_depend_on_how_a_right_answer_is_written(name, seed, data):
    """Do any two right answers get the same report, whatever the seed?"""
    one, other = (data.draw(st.sampled_from(RIGHT_ANSWERS[name])) for _ in range(2))
    assert report(name, one, seed) == report(name, other, seed)


def nudged_outcomes(spec, seed, output, share):
    """What the reference gives on each case, with one value of `output` off by `share` of the tolerance."""
    rng = np.random.default_rng(seed)
    cases = spec.cases(rng)
    outcomes = []
    for case in cases:
        values = {name: np.array(value, dtype=np.float64) for name, value in spec.expected(case).items()}
        tolerance = tolerances(spec, case, spec.expected(case))
        at = tuple(rng.integers(size) for size in values[output].shape)
        values[output][at] += share * tolerance[output] * rng.choice([-1, 1])
        outcomes.append(Outcome(values))
    return cases, outcomes


@given(seed=seeds, output=st.sampled_from(SPECS["batchnorm_forward"].outputs), share=st.floats(3.0, 1e6))
def test_deviation_beyond_the_tolerance_costs_points(seed, output, share):
    """Is a single value that is off, in any output and at any place, seen?"""
    spec = SPECS["batchnorm_forward"]
    verdict = judge(spec, *nudged_outcomes(spec, seed, output, share))
    assert verdict.points(1) < 1


@given(seed=seeds, share=st.floats(0, 0.9))
def test_deviation_within_the_tolerance_costs_nothing(seed, share):
    """Is rounding of the size that is allowed, allowed?"""
    spec = SPECS["batchnorm_forward"]
    verdict = judge(spec, *nudged_outcomes(spec, seed, "y", share))
    assert verdict.passed, verdict


@given(case=forward_cases, scale=st.floats(1e-3, 1e3))
def test_inference_with_the_batchs_statistics_is_the_training_forward(case, scale):
    """Do two references agree where they should?"""
    x, gamma, beta, eps = case.inputs.values()
    y, cache = batchnorm_forward(x, gamma, scale * beta, eps)
    again = batchnorm_inference(x, gamma, scale * beta, cache.mean, cache.var, eps)
    spec = SPECS["batchnorm_forward"]
    case = Case(case.name, case.kind, {**case.inputs, "beta": scale * beta})
    assert np.max(np.abs(y - again)) <= tolerances(spec, case, spec.expected(case))["y"]
