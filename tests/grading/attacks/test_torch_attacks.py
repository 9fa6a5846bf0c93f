"""Does every attack with torch get what its honest parts deserve, and nobody else anything but theirs?"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from grading.books import gradings
from grading.sample_class import hand_in as sample_class_hands_in
from tests.course import ROOT, run
from tests.grading.attacks import torch_delegating, torch_lasting, torch_values
from tests.grading.attacks.processes import command_lines
from tests.grading.attacks.submission import TORCH_ATTACKS, World, hand_in
from tests.grading.deserved import deserved
from tests.grading.problem_set import ROUNDING, gradebook, points, release, released

assert all(module.__doc__ for module in (torch_delegating, torch_lasting, torch_values))

ASSIGNMENT = TORCH_ATTACKS.assignment
SETTINGS = """
c.TrustedGrader.cell_seconds = 5
c.TrustedGrader.call_seconds = 5
c.TrustedGrader.submission_seconds = 30
c.TrustedGrader.memory = 500 << 20
"""
NEIGHBOURS = ("ada", "lin", "omar", "quinn")

attacks = pytest.mark.parametrize("name", TORCH_ATTACKS)


@dataclass
class Aftermath:
    """What is left of the run."""

    course: Path
    points: dict[str, dict[str, float]]
    gradings: dict
    processes: list[str]

    def notebook(self, student: str) -> str:
        """The graded notebook, as text."""
        return (self.course / f"course/autograded/{student}/{ASSIGNMENT}/{ASSIGNMENT}.ipynb").read_text()


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory):
    """All attackers and some honest learners hand in, and are graded in one run."""
    course = tmp_path_factory.mktemp("attacked")
    release(course, ASSIGNMENT, SETTINGS)
    submitted = course / "course/submitted"
    sample_class_hands_in(ROOT / "samples", course / "exercises", submitted, ASSIGNMENT)
    exercise = nbformat.read(released(course, ASSIGNMENT), as_version=4)
    world = World(course, course / "open", 9, course / "socket")
    for name in TORCH_ATTACKS:
        hand_in(TORCH_ATTACKS, name, exercise, world, submitted)
    run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
    with gradebook(course) as books:
        known = {each.student: each for each in gradings(books, ASSIGNMENT)}
    return Aftermath(course, points(course, ASSIGNMENT), known, command_lines())


@attacks
def test_attack_gets_what_its_honest_parts_deserve(aftermath, name):
    """Does it have the points of what is right in it, and no more?"""
    attack, points = TORCH_ATTACKS[name], aftermath.points[name]
    expected = dict.fromkeys(deserved(ASSIGNMENT).functions, 0.0) | attack.deserves
    if attack.spoils:
        assert all(points[function] <= expected[function] + ROUNDING for function in expected), points
    else:
        assert points == pytest.approx(expected, abs=ROUNDING)


@attacks
def test_attack_finds_nothing(aftermath, name):
    """Does the graded notebook hold nothing that the attack has found?"""
    assert "LEAK" not in aftermath.notebook(name)


@attacks
def test_attack_is_flagged(aftermath, name):
    """Is somebody told to look, where the exercise gives no reason for what it names?"""
    attack, grading = TORCH_ATTACKS[name], aftermath.gradings[name]
    assert grading.failed == ""
    assert any(each.startswith(attack.flag) for each in grading.flags) or not attack.flag, grading.flags


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbour_is_graded_as_if_alone(aftermath, name):
    """Does an honest learner among all these get what reading their submission gives?"""
    functions = deserved(ASSIGNMENT).functions
    expected = {function: deserved(ASSIGNMENT).points[name, function] for function in functions}
    assert aftermath.points[name] == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("name", ["ada", "lin"])
def test_own_work_is_not_flagged(aftermath, name):
    """Does a function that is called as the library's is, but is the learner's own, catch nobody's eye?"""
    assert aftermath.gradings[name].flags == ()


def test_nobodys_progress_is_anothers(aftermath):
    """Do the checks of who has nothing right count none of what those before have passed?"""
    graded = aftermath.notebook("quinn")
    assert "0 of 10 functions pass" in graded and not re.search("[1-9] of 10 functions pass", graded)


def test_nothing_runs_on(aftermath):
    """Are daemons gone, together with all that was started?"""
    assert not [line for line in aftermath.processes if "left-behind-by-an-attack" in line]
