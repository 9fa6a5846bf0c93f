"""Are the pages light, and do they stand still while they load?"""

import gzip
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.book.pages import PAGES

MOST_BYTES = 500_000
MOST_SHIFT = 0.1
"""The cumulative layout shift up to which a page counts as still."""

SCREENS = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}

ADD_UP_SHIFTS = """
    window.shift = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""

FONTS_AND_MATHJAX = ("/vendor/fontawesome/", "/_static/mathjax/")


@dataclass(frozen=True)
class Load:
    """What loading a page took."""

    sent: int  # bytes, compressed as GitHub Pages sends them, without fonts and MathJax
    requests: int
    shift: float


@pytest.fixture(scope="module", params=SCREENS)
def loads(request, browser, site, served):
    """Every page, each loaded as by a reader who comes for the first time."""
    loads = {}
    with served(site) as address:
        for page in PAGES:
            context = browser.new_context(base_url=address, viewport=SCREENS[request.param])
            context.add_init_script(ADD_UP_SHIFTS)
            tab = context.new_page()
            paths = []
            tab.on("requestfinished", lambda done, paths=paths: paths.append(urlsplit(done.url).path))
            tab.goto(f"/{page}.html")
            tab.evaluate("window.MathJax?.startup.promise")
            for figure in tab.locator("figure[id^=fig-live-]").all():
                figure.locator(".stage").wait_for()
            tab.evaluate("new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")
            counted = [path for path in paths if not any(part in path for part in FONTS_AND_MATHJAX)]
            sent = sum(len(gzip.compress((site / path[1:]).read_bytes())) for path in counted)
            loads[page] = Load(sent, len(paths), tab.evaluate("window.shift"))
            context.close()
    return loads


@pytest.mark.parametrize("page", PAGES)
def test_page_is_light(loads, page):
    """Is little sent before fonts and MathJax?"""
    assert loads[page].requests > 10
    assert loads[page].sent < MOST_BYTES


@pytest.mark.parametrize("page", PAGES)
def test_page_stands_still(loads, page):
    """Does next to nothing move while formulas, figures and icons arrive?"""
    assert loads[page].shift < MOST_SHIFT
