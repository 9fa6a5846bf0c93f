"""Does every attack get what its honest parts deserve, and nobody else anything but theirs?"""

import hashlib
import html
import json
import os
import re
import select
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from grading.books import gradings
from grading.sample_class import hand_in as sample_class_hands_in
from tests.course import ROOT, run
from tests.grading.attacks import cells, delegating, ending, files, looking, protocol, verdicts
from tests.grading.attacks.processes import command_lines
from tests.grading.attacks.submission import ATTACKS, World, hand_in
from tests.grading.deserved import deserved
from tests.grading.problem_set import ASSIGNMENT, ROUNDING, gradebook, points, release, released

assert all(module.__doc__ for module in (cells, delegating, ending, files, looking, protocol, verdicts))

NEIGHBOURS = ("ada", "lin", "tove")
WITH_FEEDBACK = ("invalid_json", "folder_in_its_place", "aborts", "altered_tests", "scripts_for_the_reader")
"""Making a page takes seconds: these stand for all."""

attacks = pytest.mark.parametrize("name", ATTACKS)


@dataclass
class Aftermath:
    """What is left of the run, and what it found before."""

    course: Path
    points: dict[str, dict[str, float]]
    gradings: dict
    calls: int
    files_before: dict[Path, str]
    files_after: dict[Path, str]
    processes: list[str]

    def notebook(self, student: str) -> str:
        """The graded notebook, as text."""
        return (self.course / f"course/autograded/{student}/{ASSIGNMENT}/{ASSIGNMENT}.ipynb").read_text()

    def feedback(self, student: str) -> str:
        """The page that the learner gets back."""
        return (self.course / f"course/feedback/{student}/{ASSIGNMENT}/{ASSIGNMENT}.html").read_text()


@pytest.fixture(scope="session")
def aftermath(tmp_path_factory):
    """All attackers and some honest learners hand in, are graded in one run, and get feedback."""
    course, open_folder = tmp_path_factory.mktemp("attacked"), tmp_path_factory.mktemp("open")
    release(course)
    open_folder.chmod(0o777)
    sockets = Path(tmp_path_factory.mktemp("s"))
    with _listeners(sockets / "s") as listeners:
        world = World(course, open_folder, listeners[0].getsockname()[1], sockets / "s")
        sample_class_hands_in(ROOT / "samples", course / "exercises", course / "course/submitted", ASSIGNMENT)
        exercise = nbformat.read(released(course), as_version=4)
        for student in course.glob("course/submitted/*"):
            if student.name not in NEIGHBOURS:
                shutil.rmtree(student)
        for name in ATTACKS:
            hand_in(ATTACKS, name, exercise, world, course / "course/submitted")
        (course / "course/submitted/a\nname" / ASSIGNMENT).mkdir(parents=True)
        (course / "course/submitted/linked").symlink_to("ada")
        before = _files(course, open_folder)
        os.environ["THE_GRADERS_OWN"] = "canary"
        try:
            run("nbgrader", "autograde", ASSIGNMENT, cwd=course)
        finally:
            del os.environ["THE_GRADERS_OWN"]
        after = _files(course, open_folder)
        ready, _, _ = select.select(listeners, [], [], 0)
    others = ",".join(set(ATTACKS) - set(WITH_FEEDBACK))
    run(
        "nbgrader",
        "generate_feedback",
        ASSIGNMENT,
        "--CourseDirectory.student_id_exclude",
        others,
        cwd=course,
    )
    with gradebook(course) as books:
        known = {each.student: each for each in gradings(books, ASSIGNMENT)}
    return Aftermath(course, points(course), known, len(ready), before, after, command_lines())


def _listeners(path):
    """Sockets of every kind that somebody outside of the sandbox listens on."""

    class Listeners(list):
        def __enter__(self):
            tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
            port = tcp.getsockname()[1]
            udp.bind(("127.0.0.1", port))
            self += [tcp, udp]
            for address in (str(path), f"\0canary-{port}"):
                named = socket.socket(socket.AF_UNIX)
                named.bind(address)
                named.listen()
                self.append(named)
            return self

        def __exit__(self, *problem):
            for each in self:
                each.close()

    return Listeners()


def _files(course, *more):
    """A digest of every file but those that grading writes."""
    paths = [path for folder in (course, *more) for path in folder.rglob("*")]
    written = ("autograded", "gradebook.db", "grading_secret")
    kept = (path for path in paths if path.is_file() and not path.is_symlink())
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in kept
        if not any(part.startswith(written) for part in path.relative_to(path.anchor).parts)
    }


@attacks
def test_attack_gets_what_its_honest_parts_deserve(aftermath, name):
    """Does it have the points of what is right in it, and no more?"""
    functions, attack = deserved(ASSIGNMENT).functions, ATTACKS[name]
    points = aftermath.points[name]
    expected = dict.fromkeys(functions, 0.0) | attack.deserves
    if attack.spoils:
        assert all(points[function] <= expected[function] + ROUNDING for function in functions), points
    else:
        assert points == pytest.approx(expected, abs=ROUNDING)


@attacks
def test_attack_finds_nothing(aftermath, name):
    """Does the graded notebook hold nothing that the attack has found?"""
    assert "LEAK" not in aftermath.notebook(name)


@attacks
def test_graded_notebook_is_no_burden(aftermath, name):
    """Can what is left of it be opened, whatever it wanted to show?"""
    assert len(aftermath.notebook(name)) < 16 << 20


@attacks
def test_attack_leaves_a_record(aftermath, name):
    """Are reason, remark and flag in the gradebook, and the first two at the top of the notebook?"""
    attack, grading = ATTACKS[name], aftermath.gradings[name]
    assert attack.reason in grading.failed and bool(attack.reason) == bool(grading.failed)
    assert attack.remark in "\n".join(grading.remarks)
    assert any(each.startswith(attack.flag) for each in grading.flags) or not attack.flag
    if attack.reason or attack.remark:
        note = html.unescape("".join(json.loads(aftermath.notebook(name))["cells"][0]["source"]))
        assert attack.reason in note and attack.remark in note


@pytest.mark.parametrize("name", [name for name in WITH_FEEDBACK if ATTACKS[name].reason])
def test_feedback_says_why_there_are_no_points(aftermath, name):
    """Does the learner's page say that the submission could not be graded, and why?"""
    page = html.unescape(aftermath.feedback(name))
    assert "This submission could not be graded" in page
    assert ATTACKS[name].reason in page


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbour_is_graded_as_if_alone(aftermath, name):
    """Does an honest learner among all these get what reading their submission gives?"""
    functions = deserved(ASSIGNMENT).functions
    expected = {function: deserved(ASSIGNMENT).points[name, function] for function in functions}
    assert aftermath.points[name] == pytest.approx(expected, abs=ROUNDING)
    assert aftermath.gradings[name].failed == ""


def test_nobody_is_lost(aftermath):
    """Is there a grading for everybody, and for nobody else?"""
    assert aftermath.gradings.keys() == {*ATTACKS, *NEIGHBOURS}


def test_no_other_file_is_changed(aftermath):
    """Are all files of the course, and of a folder open to all, as they were?"""
    assert aftermath.files_after == aftermath.files_before


def test_nobody_was_called(aftermath):
    """Did none of the listeners outside hear anything?"""
    assert aftermath.calls == 0


def test_nothing_runs_on(aftermath):
    """Are daemons gone, together with all that was started?"""
    assert not [line for line in aftermath.processes if "left-behind-by-an-attack" in line]


def test_graded_folder_holds_no_file_of_an_attacker(aftermath):
    """Is nothing but the notebook and its timestamp taken from what was handed in?"""
    for name in ("shadowing_modules", "odd_file_names", "links_beside_it"):
        folder = aftermath.course / "course/autograded" / name / ASSIGNMENT
        assert {path.name for path in folder.iterdir()} <= {f"{ASSIGNMENT}.ipynb", "timestamp.txt"}


def test_no_script_reaches_the_reader(aftermath):
    """Is what a learner writes text in the page, and nothing that a browser runs?"""
    page = aftermath.feedback("scripts_for_the_reader")
    assert "stolen()" in page
    assert not re.search(r"<(script|img|iframe|svg)[^>]*>?[^<]*stolen", page)
    assert not re.search(r"<[a-z][^<>]*(href|src|srcdoc)=[\"'](?!javascript%E2%80%8B:)[^\"']*stolen", page)
