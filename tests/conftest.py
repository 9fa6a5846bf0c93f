"""A browser, and settings of hypothesis: the same examples in every run, and no clock."""

import shutil

import hypothesis
import pytest
from playwright.sync_api import sync_playwright

hypothesis.settings.register_profile(
    "reproducible", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium, or else the one that Playwright installs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield browser
        browser.close()
