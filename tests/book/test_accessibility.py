"""Can everybody read the pages, as far as axe-core can tell?"""

from pathlib import Path

import pytest

from tests.book.pages import PAGES

AXE = Path(__file__).parent / "axe/axe.min.js"

READY = """async () => {
    await window.MathJax?.startup.promise;
    document.querySelectorAll("details").forEach((details) => (details.open = true));
}"""
"""The formulas are set, and what is folded is open, since axe passes over what cannot be seen."""

VIOLATIONS = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}"""


@pytest.fixture(scope="module", params=("light", "dark"))
def tab(request, browser, site, served):
    """A tab for every page, of a reader who likes it light or dark."""
    with served(site) as address:
        context = browser.new_context(
            base_url=address, color_scheme=request.param, viewport={"width": 1280, "height": 900}
        )
        context.add_init_script(path=AXE)
        tab = context.new_page()
        tab.scheme = request.param
        yield tab
        context.close()


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_violation(tab, page):
    """Does axe-core find nothing to object to, with formulas and figures drawn and all code shown?"""
    tab.goto(f"/{page}.html")
    for figure in tab.locator("figure[id^=fig-live-]").all():
        figure.locator(".stage").wait_for()
    tab.evaluate(READY)
    assert tab.evaluate("document.documentElement.dataset.theme") == tab.scheme
    assert tab.evaluate(VIOLATIONS) == []
