"""JupyterLab as a learner has it: a server of its own, and one notebook in a browser."""

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.course import BIN

OPEN = """async (path) => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
    await panel.context.ready;
    await panel.sessionContext.ready;
}"""

WRITE = """([id, text]) => {
    const cells = window.jupyterapp.shell.currentWidget.content.widgets;
    const cell = cells.find(({ model }) => model.getMetadata("nbgrader")?.grade_id === id);
    cell.model.sharedModel.setSource(text);
}"""

COMMAND = "([name, options]) => window.jupyterapp.commands.execute(name, options)"

CARD = "[role=group][aria-label^='Check of']"
"""What a check shows, as a CSS selector."""


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """JupyterLab on a folder, as `make lab` starts it; gives the address. Nothing of it is left behind."""
    environment = os.environ | {"HOME": str(folder), "PATH": f"{BIN}:{os.environ['PATH']}"}
    options = ["--no-browser", "--allow-root", "--port=0", "--LabApp.expose_app_in_browser=True"]
    with subprocess.Popen(
        [BIN / "jupyter", "lab", *options], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        address = next(filter(None, (re.search(r"http://127\S+", line) for line in process.stderr)))
        # Whatever the server has started has its stderr too: the end of that is the end of all of them.
        rest = threading.Thread(target=process.stderr.read)
        rest.start()
        try:
            yield address[0]
        finally:
            process.terminate()
            rest.join(timeout=30)
            assert not rest.is_alive(), "the server has left processes behind"


class Notebook:
    """A notebook that is open in a page of JupyterLab."""

    def __init__(self, page: Page, address: str, path: str):
        self.page = page
        # Without `reset`, JupyterLab would open what the notebook before left open, too.
        page.goto(f"{address}&reset")
        page.wait_for_function("window.jupyterapp")
        page.evaluate(OPEN, path)

    def write(self, answers: dict[str, str]) -> None:
        """Write answers into their cells, by grade id."""
        for answer in answers.items():
            self.page.evaluate(WRITE, answer)

    def run_all(self) -> None:
        """Run all cells; return when the last has run."""
        self.command("notebook:run-all-cells")

    def command(self, name: str, **options) -> None:
        """Have JupyterLab execute one of its commands; return when it is done."""
        self.page.evaluate(COMMAND, [name, options])

    def card(self, function: str) -> Locator:
        """What the check of a function shows."""
        return self.page.get_by_role("group", name=f"Check of {function}", exact=True)
