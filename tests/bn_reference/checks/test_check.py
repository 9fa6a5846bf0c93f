"""What does a learner see, and what does nbgrader get?"""

import numpy as np
import pytest

from bn_reference.checks import check, report
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
