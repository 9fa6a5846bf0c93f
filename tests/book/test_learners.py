"""Is what the page for learners says of the exercises and the checks what these do?"""

import re

import pytest

from bn_reference.checks import SPECS, report
from bn_reference.checks.evidence import Ladder
from bn_reference.checks.spec import INTERFACE
from tests.course import ASSIGNMENTS, ROOT, run

PAGE = (ROOT / "book/learners.md").read_text()
ROWS = {
    name: set(re.findall(r"\{doc\}`(\w+)`", row))
    for name, row in re.findall(r"^\| \{doc\}`[^`]*/(\w+)>` \| (.*) \|$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_problem_set_rests_on_the_chapters_that_it_names(name):
    """Does a problem set name the chapters of its row, and do its checks link to no others?"""
    source = (ROOT / "solutions" / name / f"{name}.md").read_text()
    read_first = next(line for line in source.splitlines() if line.startswith("**Read first**"))
    named = set(re.findall(r"/book/(\w+)\.html", read_first))
    assert ROWS[name] <= named
    assert {spec.chapter for spec in SPECS.problem_sets()[name]} <= ROWS[name]


def test_card_has_the_parts_that_the_page_describes():
    """Are the steps of help, the part that all checks have and the first headline as the page says?"""
    specs = [spec for specs in SPECS.problem_sets().values() for spec in specs]
    steps = {step for spec in specs for part in spec.parts for step, _ in Ladder.of(part).steps}
    told = PAGE.lower()
    assert steps and all(step.lower().removeprefix("the ") in told for step in steps)
    assert INTERFACE.title.startswith("inputs left unchanged, outputs in the stated shapes")
    assert "leave its inputs as they are, and return the shapes that were asked for" in PAGE

    def batchnorm_forward(*arguments):
        raise NotImplementedError

    assert "not written yet" in report("batchnorm_forward", batchnorm_forward).headline
    assert '"not written yet"' in PAGE


def test_validate_lists_checks_and_unanswered_questions(tmp_path):
    """Does nbgrader's Validate say of the untouched exercise what the page says that it does?"""
    (tmp_path / "ps2.ipynb").write_text((ROOT / "exercises/ps2_batchnorm/ps2_batchnorm.ipynb").read_text())
    said = run("nbgrader", "validate", "ps2.ipynb", cwd=tmp_path)
    functions = [spec.name for spec in SPECS.problem_sets()["ps2_batchnorm"]]
    assert all(f'check("{name}"' in said for name in functions)
    assert said.count("You did not provide a response") == 2
