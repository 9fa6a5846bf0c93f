"""Try the checks on every named mistake and count the right answers: the book's table for instructors.

``python -m tests.bn_reference.checks.grader_under_test``, in the root of the repository, prints it as JSON.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from bn_reference.checks import PUBLIC_SEED, SPECS
from bn_reference.checks.calling import run_all
from bn_reference.checks.judging import judge
from bn_reference.checks.spec import Mistake, Spec
from tests.bn_reference.checks.right_answers import RIGHT_ANSWERS


@dataclass(frozen=True)
class Trial:
    """One mistake, handed in as an answer.

    Attributes
    ----------
    problem_set, function, mistake : str
    caught : bool
        It lost points.
    named : bool
        The report gave it its own name, and no other.
    kept : float
        The share of the points that it kept.
    """

    problem_set: str
    function: str
    mistake: str
    caught: bool
    named: bool
    kept: float


def hand_in(problem_set: str, spec: Spec, mistake: Mistake, seed: int = PUBLIC_SEED) -> Trial:
    """Check the whole wrong answer that `mistake` describes."""
    if mistake.code is None:  # put together from formulas, it returns the outputs themselves
        spec = spec.of_outputs()
    cases = spec.cases(np.random.default_rng(seed))
    verdict = judge(spec, cases, run_all(spec, spec.mistaken(mistake), cases))
    named = verdict.mistakes == (mistake.name,)
    return Trial(problem_set, spec.name, mistake.name, not verdict.passed, named, verdict.points(1.0))


def trials() -> Iterable[Trial]:
    """One for each named mistake of each graded function."""
    for problem_set, specs in SPECS.problem_sets().items():
        for spec in specs:
            for mistake in spec.mistakes:
                yield hand_in(problem_set, spec, mistake)


if __name__ == "__main__":
    counts = {spec.name: len(RIGHT_ANSWERS[spec.name]) for spec in SPECS.values()}
    print(json.dumps({"trials": [asdict(trial) for trial in trials()], "right_answers": counts}))
