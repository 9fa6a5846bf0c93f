"""Can everybody read the pages, as far as axe-core can tell?"""

import pytest

from tests.axe import AXE, violations
from tests.book.pages import PAGES

READY = """async () => {
    await window.MathJax?.startup.promise;
    document.querySelectorAll("details").forEach((details) => (details.open = true));
    await new Promise(requestAnimationFrame);
    document.getAnimations().forEach((animation) => animation.finish());
}"""
"""Formulas are set and nothing is folded or fading in: axe passes over what cannot be seen."""


@pytest.fixture(scope="module")
def tab(browser, site, served):
    """A tab for every page, which has axe-core at hand."""
    with served(site) as address:
        context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
        context.add_init_script(path=AXE)
        yield context.new_page()
        context.close()


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_violation(tab, page):
    """Does axe-core object to nothing, light or dark, with formulas and figures drawn and all code shown?"""
    tab.goto(f"/{page}.html")
    for figure in tab.locator("figure[id^=fig-live-]").all():
        figure.locator(".stage").wait_for()
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.locator(f"html[data-theme={scheme}]").wait_for()
        tab.evaluate(READY)
        assert violations(tab) == [], scheme
