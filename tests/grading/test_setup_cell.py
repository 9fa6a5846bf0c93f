"""Does every notebook begin with the same check of the environment, and does it help?"""

import importlib.util
import re

import jupytext
import pytest

from tests.course import ASSIGNMENTS, ROOT

COMMAND = "    %pip install git+https://github.com/bn-course/bn-course\n"
NEEDED = re.compile(r"^needed = \{.*?\}$", re.MULTILINE | re.DOTALL)


def setup_cell(name):
    """The source of the setup cell, which is the first code cell."""
    cells = jupytext.read(ROOT / "solutions" / name / f"{name}.md").cells
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert first.metadata.nbgrader.grade_id == "setup"
    return first.source


def environment_check(name):
    """The part that looks for packages, up to the end of its message, without the list of packages."""
    source = setup_cell(name)
    end = source.index("    )\n") + len("    )\n")
    return NEEDED.sub("needed = {}", source[:end])


def test_environment_check_is_the_same_everywhere():
    """Do all problem sets share one text, but for the packages that they need?"""
    texts = {environment_check(name) for name in ASSIGNMENTS}
    assert len(texts) == 1, texts
    assert "\nneeded = {}\n" in texts.pop()


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_setup_cell_runs_where_all_is_installed(name):
    """Does the cell pass, and give the notebook its check?"""
    names = {}
    exec(setup_cell(name), names)
    assert callable(names["check"])


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_setup_cell_says_what_to_install(name, monkeypatch):
    """Where the course's package alone is missing, does the message hold the command that installs it?"""
    found = importlib.util.find_spec

    def without_the_course(module, *args):
        return None if module == "bn_reference" else found(module, *args)

    monkeypatch.setattr(importlib.util, "find_spec", without_the_course)
    with pytest.raises(ImportError, match=re.escape(COMMAND)):
        exec(setup_cell(name), {})


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_setup_cell_looks_for_what_it_imports(name):
    """Is every package that the cell imports one that it looks for first?"""
    source = setup_cell(name)
    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)) - {"importlib"}
    assert imported <= set(re.findall(r'"(\w+)": "', NEEDED.search(source).group()))
