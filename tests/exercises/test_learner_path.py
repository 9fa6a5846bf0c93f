"""Can a learner do a problem set in JupyterLab: from what is not written, past a mistake, to all points?"""

import shutil

import jupytext
import pytest
from playwright.sync_api import expect

from tests.axe import AXE, violations
from tests.course import ROOT
from tests.exercises.lab import CARD, Notebook, server

ASSIGNMENT = "ps2_batchnorm"
SOLUTIONS = {
    cell.metadata.nbgrader.grade_id: cell.source
    for cell in jupytext.read(ROOT / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.md").cells
    if cell.metadata.get("nbgrader", {}).get("solution")
}
FUNCTIONS = [name for name, source in SOLUTIONS.items() if source.startswith("def ")]
RIGHT = "var = ((x - mean) ** 2).mean(axis=0)"
DIVIDING_BY_N_MINUS_1 = SOLUTIONS["batchnorm_forward"].replace(RIGHT, "var = x.var(axis=0, ddof=1)")
WITHOUT_A_NAME = SOLUTIONS["batchnorm_conv_forward"].replace(
    "x_hat = centered /", "print(x)\n    x_hat = np.sin(x) + centered /"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on the course as released, and the folder that it shows."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with server(folder) as address:
        yield folder, address


@pytest.fixture
def notebook(lab, browser, tmp_path_factory):
    """A fresh copy of the exercise, open in a browser that has not been there before and shows all of it."""
    folder, address = lab
    name = tmp_path_factory.mktemp("exercise").name
    shutil.copytree(ROOT / "exercises" / ASSIGNMENT, folder / name)
    context = browser.new_context(viewport={"width": 1280, "height": 16_000})
    context.add_init_script(path=AXE)
    yield Notebook(context.new_page(), address, f"{name}/{ASSIGNMENT}.ipynb")
    context.close()


def test_learner_comes_from_nothing_to_success(notebook):
    """Do the cards say what is missing, then what is wrong, then that all is done, and nbgrader too?"""
    card = notebook.card("batchnorm_forward")
    notebook.run_all()
    expect(card).to_contain_text("batchnorm_forward: not written yet")

    notebook.write({"batchnorm_forward": DIVIDING_BY_N_MINUS_1})
    notebook.run_all()
    expect(card).to_contain_text("Your variance divides by N - 1.")

    notebook.write(SOLUTIONS)
    notebook.run_all()
    for function in FUNCTIONS:
        expect(notebook.card(function)).to_contain_text("All done!")

    notebook.page.get_by_role("button", name="Validate").click()
    dialogue = notebook.page.get_by_role("dialog")
    expect(dialogue).to_contain_text("Success! Your notebook passes all the tests.", timeout=60_000)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_cards_have_no_violation(notebook, theme):
    """Can everybody read the cards, of all kinds, as far as axe-core can tell?"""
    answers = {"batchnorm_forward": DIVIDING_BY_N_MINUS_1, "batchnorm_conv_forward": WITHOUT_A_NAME}
    notebook.write(answers | {"fold_linear": SOLUTIONS["fold_linear"]})
    notebook.command("apputils:change-theme", theme=theme)
    notebook.page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
    notebook.run_all()
    expect(notebook.card("batchnorm_conv_forward").get_by_role("img")).to_be_visible(timeout=30_000)
    notebook.page.locator(f"{CARD} details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    # axe-core passes over the colours of what is out of sight, or in a body without height.
    notebook.page.add_style_tag(content="body { height: 100vh }")
    for card in (cards := notebook.page.locator(CARD)).all():
        cards.first.scroll_into_view_if_needed()
        expect(card).to_be_in_viewport(timeout=30_000)
    assert violations(notebook.page, CARD) == []
