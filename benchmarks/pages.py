"""Measure when the main content of each page of the book is painted, on a desk's screen.

The largest contentful paint counts from the start of the navigation; below 1.5 seconds is
good. Each page is loaded a few times, as by a reader who comes for the first time.

Usage: ``make bench-pages``, or this script while ``make serve`` runs. Prints a table, the slowest
page last.
"""

import shutil
from pathlib import Path
from statistics import median

import yaml
from playwright.sync_api import Browser, sync_playwright
from tabulate import tabulate

ADDRESS = "http://localhost:8000"
REPEATS = 5
GOOD = 1.5

LARGEST_PAINT = """new Promise((found) => {
    new PerformanceObserver((list) => found(list.getEntries().at(-1).startTime / 1000))
        .observe({ type: "largest-contentful-paint", buffered: true });
})"""


def pages() -> list[str]:
    """The pages of the book, as its table of contents names them."""
    contents = yaml.safe_load((Path(__file__).parent.parent / "_toc.yml").read_text())
    return [contents["root"], *(page["file"] for part in contents["parts"] for page in part["chapters"])]


def seconds_to_paint(browser: Browser, page: str) -> float:
    """Seconds until the largest content of a page is painted, with nothing in the browser's cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(f"{ADDRESS}/{page}.html")
    seconds = tab.evaluate(LARGEST_PAINT)
    context.close()
    return seconds


def main() -> None:
    """Measure every page and print the table."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        times = {page: [seconds_to_paint(browser, page) for _ in range(REPEATS)] for page in pages()}
        browser.close()
    rows = [(page, median(taken), max(taken)) for page, taken in times.items()]
    rows.sort(key=lambda row: row[1])
    print(tabulate(rows, ["page", "median s", "slowest s"], floatfmt=".2f"))
    print(f"{sum(row[1] < GOOD for row in rows)} of {len(rows)} pages are painted within {GOOD} s")


if __name__ == "__main__":
    main()
