"""The built book and a browser to look at it with, which several modules share."""

import contextlib
import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import sync_playwright

from tests.course import ROOT, run


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The book built from a clean copy, every chapter run; warnings are errors."""
    copy = tmp_path_factory.mktemp("book")
    for name in ("book", "exercises", "solutions", "benchmarks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, copy)
    run("jupyter-book", "build", "-W", "-n", "--keep-going", "--all", ".", cwd=copy)
    return copy / "_build/html"


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium, or else the one that Playwright installs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing: the pages that were asked for are not of interest."""


@pytest.fixture(scope="session")
def served():
    """A context that serves a folder and gives the address."""

    @contextlib.contextmanager
    def serve(folder):
        handler = functools.partial(_Quiet, directory=str(folder))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    return serve
