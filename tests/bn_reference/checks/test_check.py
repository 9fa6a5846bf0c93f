"""What does a learner see, and what does nbgrader get?"""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from bn_reference.checks import check, hint, report, salted
from bn_reference.checks.plot import draw
from bn_reference.checks.report import BOOK
from tests.bn_reference.checks.right_answers.ps2_batchnorm import forward_with_np_var


def wrong(x, gamma, beta, eps):
    y, x_hat, mean, var = forward_with_np_var(x, gamma, beta, eps)
    return y - beta, x_hat, mean, var


def test_check_returns_points_as_a_float(capsys):
    """Does nbgrader find a number of points?"""
    assert check("batchnorm_forward", forward_with_np_var, points=4) == 4.0
    assert 0 < check("batchnorm_forward", wrong, points=4) < 4


def test_check_prints_the_plain_report_outside_notebooks(capsys):
    """Is there something to read without HTML?"""
    check("batchnorm_forward", wrong, points=2)
    printed = capsys.readouterr().out
    assert "4 of 7 parts pass, 1.2 of 2 points." in printed
    assert "[fail] y, from your x_hat" in printed
    assert "Your y lacks beta" in printed
    assert f"{BOOK}batchnorm_transform.html" in printed


def test_card_says_in_words_what_colour_says():
    """Can the card be read without colours, and by a screen reader?"""
    card = report("batchnorm_forward", wrong)._repr_html_()
    assert "✗ fail" in card and "✓ pass" in card
    assert "aria-label='Check of batchnorm_forward'" in card


def test_card_escapes_what_the_learner_wrote():
    """Could an error message smuggle markup into the feedback page?"""

    def function(*args):
        raise ValueError("<script>alert(1)</script>")

    card = report("batchnorm_forward", function)._repr_html_()
    assert "<script>" not in card and "&lt;script&gt;" in card


def test_unknown_name_lists_the_known_ones():
    """Does a typing error in the name say which names there are?"""
    with pytest.raises(
        ValueError, match=r"no graded function named 'batchnorm', expected one of: .*batchnorm_forward"
    ):
        check("batchnorm", forward_with_np_var)


def test_result_instead_of_function_is_explained():
    """Is calling the function too early told apart?"""
    with pytest.raises(TypeError, match="of type ndarray, expected the function itself"):
        check("batchnorm_forward", np.zeros(3))


def nameless(x, eps):
    """Wrong in a way that no mistake is named for, and talkative."""
    print("x is", x[0, 0])
    centered = x - x.mean(0)
    std = np.sqrt((centered**2).mean(0) + eps)
    return np.tanh(centered / std), x.mean(0), std


class Page(HTMLParser):
    """The text of a card, and what could be wrong with it as HTML."""

    def __init__(self, card):
        super().__init__()
        self.open, self.texts, self.tags, self.folded = [], [], [], []
        self.feed(card)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        depth = self.open.count("details") - (self.open[-1:] == ["summary"])
        (self.folded if depth else self.texts).append(text)


def test_card_has_points_for_each_part(capsys):
    """Do the parts' points add up to those of the headline, in both forms?"""
    verdict = replace(report("batchnorm_forward", wrong), out_of=2)
    earned = re.findall(r"([\d.]+) of [\d.]+ points$", repr(verdict), re.MULTILINE)
    assert sum(map(float, earned)) == pytest.approx(1.2, abs=0.03)
    assert "0 of 0.4" in verdict._repr_html_()


def test_card_is_well_formed_and_without_scripts():
    """Does every tag close, and does nothing need a script, a style sheet or the network?"""
    for function in (nameless, wrong, forward_with_np_var):
        name = "standardize" if function is nameless else "batchnorm_forward"
        page = Page(report(name, function)._repr_html_())
        assert page.open == []
        assert not {"script", "style", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
        assert not any(attribute.startswith("on") for _, attributes in page.tags for attribute in attributes)


def test_ladder_shows_one_step_at_a_time():
    """Are nudge, idea and source each behind a fold of its own, the smaller step first?"""
    verdict = report("standardize", nameless)
    steps = [sentence for _, sentence in verdict.ladders[0].steps]
    page = Page(verdict._repr_html_())
    assert len(steps) == 3
    assert not any(step in "".join(page.texts) for step in steps)
    places = ["".join(page.folded).index(step) for step in steps]
    assert places == sorted(places)


def test_plain_text_gives_the_first_step_and_says_how_to_ask_on(capsys):
    """Does a reader without folds get one step, and another for each asking?"""
    check("standardize", nameless)
    printed = capsys.readouterr().out
    nudge, idea, source = (text for _, text in report("standardize", nameless).ladders[0].steps)
    assert nudge in printed and "hint('standardize')" in printed
    assert idea not in printed and source not in printed
    for step in (nudge, idea, source):
        hint("standardize")
        assert step in capsys.readouterr().out


def test_plot_is_drawn_with_words():
    """Does the picture of expected against got say in words what it shows?"""
    card = report("standardize", nameless)._repr_html_()
    svg = card[card.index("<svg") : card.index("</svg>")]
    assert "role='img'" in svg and "<title>Your z against the expected one</title>" in svg
    assert re.search(r"<desc>\d+ of \d+ values of z lie off the dashed line", svg)
    assert "<svg" not in report("batchnorm_forward", wrong)._repr_html_()


def test_small_errors_are_drawn_as_a_histogram():
    """Where a plot of results would look right, does one of the errors show what is wrong?"""
    expected = np.linspace(0, 1, 20)
    assert "Histogram of the errors" in draw("y", expected, expected + 1e-3 * np.sin(expected))


def test_secret_inputs_are_never_shown(capsys):
    """Does a check on another seed say which parts fail, and no value, shape, print or message?"""
    check("standardize", nameless, points=2, seed=77)
    said = capsys.readouterr().out
    assert "[fail] z, from your mean and std" in said
    assert "of shape" not in said and "expected" not in said and "x is" not in said
    assert "77" not in said

    def tells(x, eps):
        raise ValueError(f"look: {x.tolist()}")

    check("standardize", tells, seed=77)
    said = capsys.readouterr().out
    assert "ValueError at the line" in said and "look: [[" not in said


def test_secret_check_names_the_mistake(capsys):
    """Does the feedback on secret inputs still teach?"""
    check("batchnorm_forward", wrong, seed=77)
    assert "Your y lacks beta" in capsys.readouterr().out


def test_progress_counts_the_functions_of_the_problem_set(capsys):
    """Does a check say how the rest of the problem set stands, and a secret one leave that alone?"""
    check("batchnorm_forward", forward_with_np_var, points=2)
    said = capsys.readouterr().out
    assert "batchnorm_forward: ✓ passes, 2 of 2 points" in said and "standardize" not in said
    assert re.search(r"In this session, \d+ of \d+ functions pass\.", said)
    check("batchnorm_forward", wrong, points=2, seed=77)
    assert "In this session" not in capsys.readouterr().out


def test_progress_is_that_of_one_learner(capsys):
    """Does a grader that takes one learner after the other keep apart what each has passed?"""
    with salted(b"one"):
        check("batchnorm_forward", forward_with_np_var)
    with salted(b"another"):
        check("batchnorm_inference", wrong)
    one, another = capsys.readouterr().out.split("In this session, ")[1:]
    assert one.startswith("1 of ") and another.startswith("0 of ")
