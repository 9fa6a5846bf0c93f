"""Do the checks pass what is right, fail what is wrong, and name the mistake?"""

import numpy as np
import pytest

from bn_reference.checks import SPECS, report
from bn_reference.checks.judging import judge, run
from bn_reference.checks.spec import Mistake
from tests.bn_reference.checks.right_answers import RIGHT_ANSWERS

SEEDS = range(200)
NO_MISTAKE = Mistake("none", "", {})

answers = [
    pytest.param(name, answer, id=f"{name}-{answer.__name__}")
    for name, group in RIGHT_ANSWERS.items()
    for answer in group
]
mistakes = [
    pytest.param(spec, mistake, id=f"{spec.name}-{mistake.name}")
    for spec in SPECS.values()
    for mistake in spec.mistakes
]
specs = [pytest.param(spec, id=spec.name) for spec in SPECS.values()]


def report_of_outputs(spec, function, seed):
    """The report on a function that returns the outputs themselves, whatever `spec` asks people to write."""
    spec = spec.of_outputs()
    cases = spec.cases(np.random.default_rng(seed))
    return judge(spec, cases, [run(spec, function, case) for case in cases])


@pytest.mark.parametrize(("name", "answer"), answers)
def test_right_answer_gets_full_marks(name, answer):
    """Does an answer that is only written differently pass every part?"""
    verdict = report(name, answer)
    assert verdict.passed, verdict
    assert verdict.points(7) == 7


@pytest.mark.parametrize("name", SPECS)
def test_right_answers_pass_whatever_the_seed(name):
    """Is there an unlucky seed on which rounding costs a right answer points?"""
    for seed in SEEDS:
        answer = RIGHT_ANSWERS[name][seed % len(RIGHT_ANSWERS[name])]
        verdict = report(name, answer, seed)
        assert verdict.passed, f"seed {seed}, {answer.__name__}: {verdict}"


@pytest.mark.parametrize(("spec", "mistake"), mistakes)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mistake_is_caught_and_named(spec, mistake, seed):
    """Does a wrong answer lose points, and hear its own diagnosis and no other?"""
    if mistake.code is not None:
        verdict = report(spec.name, mistake.code, seed)
    else:
        verdict = report_of_outputs(spec, spec.mistaken(mistake), seed)
    assert not verdict.passed
    assert verdict.points(1) < 1
    assert verdict.mistakes == (mistake.name,), verdict
    assert mistake.says in verdict.advice


@pytest.mark.parametrize("name", ["network_scores", "network_gradients", "sync_batchnorm"])
def test_a_mistake_costs_the_same_whatever_the_seed(name):
    """Is there a lucky seed, where closed ReLUs, sure labels or equal shards hide some of a mistake?"""
    spec = SPECS[name]
    for mistake in spec.mistakes:
        if mistake.code is None:
            points = {report_of_outputs(spec, spec.mistaken(mistake), seed).points(1) for seed in range(30)}
        else:
            points = {report(name, mistake.code, seed).points(1) for seed in range(30)}
        assert len(points) == 1, mistake.name


@pytest.mark.parametrize("spec", specs)
def test_nodes_compose_to_the_reference(spec):
    """Are the formulas that follow through the same function as the reference?"""
    assert report_of_outputs(spec, spec.mistaken(NO_MISTAKE), 0).passed


@pytest.mark.parametrize("spec", specs)
def test_spec_is_complete(spec):
    """Does a spec have enough mistakes, each with one name, and does each part look at some case?"""
    names = [mistake.name for mistake in spec.mistakes]
    assert len(names) >= 5 and len(set(names)) == len(names)
    kinds = {case.kind for case in spec.cases(np.random.default_rng(0))}
    assert {kind for part in spec.parts for kind in part.kinds} == kinds
    assert {node for part in spec.parts for node in part.nodes} == set(spec.outputs) == set(spec.nodes)


@pytest.mark.parametrize("spec", specs)
def test_every_part_has_the_whole_ladder_of_help(spec):
    """Does a learner who fails a part find where to look, then the idea, then the line to read?"""
    lacking = [part.title for part in spec.parts if not (part.nudge and part.hint and part.source)]
    assert lacking == []


@pytest.mark.parametrize("spec", specs)
def test_seeds_draw_other_values_and_shapes(spec):
    """Could an answer be written for the visible cases alone?"""

    def shapes(seed):
        cases = spec.cases(np.random.default_rng(seed))
        return {tuple(np.shape(value) for value in case.inputs.values()) for case in cases}

    assert set.union(*map(shapes, range(20))) > shapes(0)


@pytest.mark.parametrize("spec", specs)
def test_hard_coded_results_fail_on_another_seed(spec):
    """What does a function earn that has learned the visible results by heart?"""
    known = {}
    for case in spec.cases(np.random.default_rng(1)):
        key = tuple(np.asarray(value).tobytes() for value in case.inputs.values())
        known[key] = spec.reference(**case.inputs)

    def by_heart(*args):
        return known[tuple(np.asarray(value).tobytes() for value in args)]

    assert report_of_outputs(spec, by_heart, 1).passed
    assert report_of_outputs(spec, by_heart, 2).points(10) == 0
