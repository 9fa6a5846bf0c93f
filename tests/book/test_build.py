"""Does the book build without a warning, and does each chapter keep its promises?"""

import re

import jupytext
import pytest
import yaml

from bn_reference.checks.report import BOOK
from tests.course import ROOT

CHAPTERS = (
    "why",
    "whitening",
    "conditioning",
    "outside_the_step",
    "whitening_inside",
    "batchnorm_transform",
    "inference",
    "backpropagation",
    "gradient_checking",
    "torch_layer",
    "training",
    "covariate_shift",
    "bandwidth",
    "accuracy",
)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_has_figures_with_words_for_those_who_do_not_see_them(site, chapter):
    """Does every figure that code drew carry a caption and an alternative text of its own?"""
    page = (site / "book" / f"{chapter}.html").read_text()
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert figures
    for figure in figures:
        alt = re.search(r'<img[^>]*alt="([^"]*)"', figure)
        assert alt and len(alt.group(1)) > 40 and "_images" not in alt.group(1)
        assert "<figcaption>" in figure


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_shows_no_assertion_and_no_error(site, chapter):
    """Are the cells that guard the claims hidden, and is no traceback on the page?"""
    page = (site / "book" / f"{chapter}.html").read_text()
    text = re.sub(r"<[^>]+>", "", page)
    assert "Traceback" not in text
    assert "np.isclose" not in text and "assert np" not in text


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_opens_with_its_question_and_ends_with_sources(chapter):
    """Does a chapter have the parts that each has?"""
    source = (ROOT / "book" / f"{chapter}.md").read_text()
    order = [
        "**The question.**",
        "**What you need.**",
        "**What you will be able to do.**",
        "/exercises/ps",
    ]
    order += ["## Summary", "**Sources.**"]
    places = [source.find(mark) for mark in order]
    assert -1 not in places and places == sorted(places)
    assert "{cite" in source[places[-1] :]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_guards_its_claims(chapter):
    """Has every chapter hidden cells that would fail the build?"""
    notebook = jupytext.read(ROOT / "book" / f"{chapter}.md")
    guards = [c for c in notebook.cells if "remove-cell" in c.metadata.get("tags", [])]
    assert len(guards) >= 5
    assert all("assert " in cell.source or "check(" in cell.source for cell in guards)


def test_exercise_page_is_shown_unsolved(site):
    """Is the exercise in the book the released one?"""
    page = (site / "exercises/ps2_batchnorm/ps2_batchnorm.html").read_text()
    assert "NotImplementedError" in page and "BEGIN SOLUTION" not in page


def test_checks_link_to_pages_that_exist(site):
    """Do the chapters that a failed check recommends exist, at the address that it gives?"""
    from bn_reference.checks import SPECS

    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["html"]["baseurl"] + "book/" == BOOK
    for spec in SPECS.values():
        assert (site / "book" / f"{spec.chapter}.html").exists()


def test_api_page_documents_the_reference(site):
    """Are the functions that the chapters use on the API pages, with their sources?"""
    pages = {
        "api": ("batchnorm.batchnorm_backward_staged", "whitening.zca_whitening", "moments.combine"),
        "api_torch": ("torch.functional.batch_norm", "torch.sync.SyncBatchNorm", "torch.convert.to_torch_nn"),
        "api_checks": ("checks.check", "checks.report", "checks.Report", "checks.spec.Spec"),
    }
    for page, names in pages.items():
        text = (site / "book" / f"{page}.html").read_text()
        for name in names:
            assert f'id="bn_reference.{name}"' in text
        assert "Raises" in text
    assert "Algorithm 1" in (site / "book/api.html").read_text()
