"""Does the built book work as a site: offline, on a phone, with its buttons and its search?"""

import re
from dataclasses import dataclass

import pytest

from tests.book.pages import CHAPTERS, PAGES

PHONE = {"width": 390, "height": 844}


@dataclass(frozen=True)
class Visit:
    """What a page did and looked like when a phone opened it."""

    foreign: list  # the addresses that it asked for elsewhere
    missing: list  # the addresses here that have nothing
    errors: list
    width: int
    math: int
    formulas: int  # set by MathJax
    wrong_formulas: int
    previous: str | None  # the page that the button leads to
    next: str | None


@pytest.fixture(scope="module")
def address(site, served):
    """The address of the built book."""
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def visits(browser, site, served):
    """Every page, opened once on a phone that reaches nothing but the site, which lies below a path."""
    with served(site.parent) as host:
        yield _visit_all(browser, f"{host}/{site.name}")


def _visit_all(browser, address):
    context = browser.new_context(viewport=PHONE, has_touch=True)
    tab = context.new_page()
    foreign, missing, errors = [], [], []

    def turn_away(route):
        foreign.append(route.request.url)
        route.abort()

    context.route(re.compile(f"^(?!{address}/)"), turn_away)
    tab.on("response", lambda answer: answer.status >= 400 and missing.append(answer.url))
    tab.on("pageerror", lambda error: errors.append(error.message))
    tab.on("console", lambda said: said.type == "error" and errors.append(said.text))

    def leads_to(title):
        button = tab.get_by_title(title, exact=True)
        if not button.count():
            return None
        return button.evaluate("button => button.href").removeprefix(f"{address}/").removesuffix(".html")

    visits = {}
    for page in PAGES:
        tab.goto(f"{address}/{page}.html")
        tab.evaluate("window.MathJax?.startup.promise")
        for figure in tab.locator("figure[id^=fig-live-]").all():
            figure.locator(".stage").wait_for()
        visits[page] = Visit(
            [*foreign],
            [*missing],
            [*errors],
            tab.evaluate("document.documentElement.scrollWidth"),
            tab.locator(".math").count(),
            tab.locator(".math mjx-container").count(),
            tab.locator("mjx-merror").count(),
            leads_to("previous page"),
            leads_to("next page"),
        )
        for collected in (foreign, missing, errors):
            collected.clear()
    context.close()
    return visits


@pytest.fixture
def tab(browser, address):
    """A tab on a desk, which may use the clipboard."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def test_every_page_is_listed(site):
    """Do the other tests look at all pages there are?"""
    built = {str(page.relative_to(site).with_suffix("")) for page in site.rglob("*.html")}
    built = {page for page in built if not page.startswith("_static/")}
    assert built - {"index"} == set(PAGES)  # index leads on to the first page
    assert f"url={CHAPTERS[0]}.html" in (site / "index.html").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_page_needs_nobody_else(visits, page):
    """Does a page ask for nothing elsewhere, and is everything there that it asks for here?"""
    assert visits[page].foreign == []
    assert visits[page].missing == []


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_error(visits, page):
    """Do all scripts of a page run without a word in the browser's console?"""
    assert visits[page].errors == []


@pytest.mark.parametrize("page", PAGES)
def test_page_sets_its_formulas(visits, page):
    """Does the site's own MathJax set every formula, and understand it?"""
    assert visits[page].formulas >= visits[page].math
    assert visits[page].wrong_formulas == 0


def test_formulas_are_there_to_be_set(visits):
    """Would the test above notice if there were no formulas?"""
    assert sum(visit.math for visit in visits.values()) > 100


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_a_phone(visits, page):
    """Does nothing make a page wider than a phone?"""
    assert visits[page].width <= PHONE["width"]


def test_next_and_previous_lead_through_the_book(visits):
    """Does a reader come from the first page to the last with one button, and back with the other?"""
    assert [visits[page].next for page in CHAPTERS] == [*CHAPTERS[1:], None]
    assert [visits[page].previous for page in CHAPTERS] == [None, *CHAPTERS[:-1]]


def test_next_button_opens_the_next_page(tab):
    """Does the button do what it says?"""
    tab.goto(f"/{CHAPTERS[1]}.html")
    tab.get_by_title("next page").click()
    tab.wait_for_url(f"**/{CHAPTERS[2]}.html")


def test_search_finds_the_chapter(tab):
    """Does a word typed into the search lead to the chapter that it is about?"""
    tab.goto(f"/{CHAPTERS[0]}.html")
    tab.get_by_role("button", name="Search").click()
    tab.get_by_role("searchbox").first.fill("Cholesky")
    tab.keyboard.press("Enter")
    results = tab.locator("#search-results li a")
    results.first.wait_for()
    tab.locator("#search-results a[href*='book/whitening.html']").first.click()
    tab.wait_for_url("**/book/whitening.html*")


def test_search_button_answers_its_shortcut(tab):
    """Does the shortcut that the button shows open the search?"""
    tab.goto(f"/{CHAPTERS[0]}.html")
    tab.keyboard.press("Control+k")
    assert tab.get_by_role("searchbox").first.is_visible()


def test_copy_button_copies_the_whole_cell(tab):
    """Is in the clipboard what the cell shows?"""
    tab.goto("/book/whitening.html")
    cell = tab.locator("div.cell_input div.highlight").first
    cell.scroll_into_view_if_needed()
    cell.hover()
    cell.locator("button.copybtn").click()
    tab.locator("button.copybtn.success").wait_for()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


def test_colour_mode_can_be_switched_and_stays(tab):
    """Does the button change the colours, and does the next page keep them?"""
    theme = "document.documentElement.dataset.mode"
    tab.goto(f"/{CHAPTERS[0]}.html")
    before = tab.evaluate(theme)
    tab.get_by_role("button", name="Color mode").click()
    after = tab.evaluate(theme)
    assert after != before
    tab.goto(f"/{CHAPTERS[1]}.html")
    assert tab.evaluate(theme) == after


def test_keyboard_skips_to_the_text(tab):
    """Does the first stop of the tab key lead past the navigation?"""
    tab.goto("/book/whitening.html")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to main content"
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#main-content")
