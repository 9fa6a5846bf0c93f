"""Does each chapter say how long it takes to read, and is it counted from what a reader sees?"""

import doctest
import importlib.util
import re

import pytest
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode

from tests.book.pages import CHAPTERS
from tests.course import ROOT


@pytest.fixture(scope="module")
def reading_time():
    """The extension; the book's folder is no package."""
    spec = importlib.util.spec_from_file_location("reading_time", ROOT / "book/reading_time.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_in_the_docstrings_run(reading_time):
    """Do the documented examples give what they say? The book is no package that pytest looks into."""
    results = doctest.testmod(reading_time)
    assert results.attempted >= 3 and results.failed == 0


def test_what_is_out_of_sight_takes_no_time(reading_time):
    """Are folded code, printed lines and comments passed over, and is the figure below them looked at?"""
    code = nodes.literal_block("", "x = 1\n" * 100)
    printed = nodes.literal_block("", "1\n" * 100, classes=["output", "stream"])
    chapter = nodes.section("", HideCodeCellNode("", code), printed, nodes.comment("", "word " * 900))
    assert reading_time.minutes(chapter) == 0

    chapter += nodes.figure("", nodes.image(uri="figure.svg"))
    assert reading_time.minutes(chapter) == reading_time.SECONDS_TO_LOOK_AT / 60


@pytest.mark.parametrize("page", CHAPTERS)
def test_time_stands_under_the_title_of_a_chapter(site, page):
    """Has each text notebook, and nothing else, one time right after its title, and can it be true?"""
    html = (site / f"{page}.html").read_text()
    said = re.findall(r'(\S+)\s<p class="reading-time">(\d+) min read</p>', html)
    source = ROOT / f"{page}.md"
    if not (source.exists() and "kernelspec" in source.read_text()):
        assert said == []
        return
    [(before, minutes)] = said
    assert before.endswith("</h1>")
    assert len(source.read_text().split()) / 600 < int(minutes) < 30
