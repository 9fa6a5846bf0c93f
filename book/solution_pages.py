"""A Sphinx extension that writes the pages of solutions, from the notebooks that graders use.

The notebooks in `solutions/` stay the single source: `book/solutions/` is made anew by each build.
"""

from pathlib import Path

import jupytext
from nbgrader.preprocessors import ClearHiddenTests

MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")
"""Of what learners are to write themselves."""


def write_solution_pages(app, config):
    """Write a page for each problem set, before the table of contents is read.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    config : sphinx.config.Config
    """
    root = Path(app.srcdir)
    folder = root / "book/solutions"
    folder.mkdir(exist_ok=True)
    for source in sorted(root.glob("solutions/ps*/ps*.md")):
        (folder / source.name).write_text(solution_page(source), encoding="utf-8")


def solution_page(source):
    """The page of one problem set: its parts as learners read them, each solution behind a fold.

    Parameters
    ----------
    source : pathlib.Path
        The text notebook with the solutions and the hidden tests.

    Returns
    -------
    str
        MyST Markdown. It is no notebook, so nothing is run, and the page has no button to launch
        what no learner has.
    """
    notebook, _ = ClearHiddenTests().preprocess(jupytext.read(source), {})
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    exercise = f"/exercises/{source.stem}/{source.stem}"
    texts = [_text(cell) for cell in notebook.cells]
    first = next(place for place, text in enumerate(texts) if text.startswith("## "))
    opening = (
        f"# Solutions to {title[0].lower()}{title[1:]}\n\n"
        f"These are answers to {{doc}}`{title} <{exercise}>`. Each waits behind a fold. "
        "Yours may look different and be just as right: the checks compare what comes out. "
        "Open a fold when you have tried, and have read what the check says."
    )
    return "\n\n".join([opening, *filter(None, texts[first:])]) + "\n"


def _text(cell):
    """A cell as Markdown; nothing where it only grades."""
    about = cell.metadata.get("nbgrader", {})
    if about.get("grade") and not about["solution"]:
        return ""
    code = cell.cell_type == "code"
    lines = [line for line in cell.source.splitlines() if line.strip() not in MARKS]
    text = "\n".join(["```python", *lines, "```"] if code else lines)
    if not about.get("solution"):
        return text
    return f"::::{{dropdown}} {'Show the solution' if code else 'Show a model answer'}\n{text}\n::::"


def setup(app):
    """Connect the extension; Sphinx calls this."""
    app.connect("config-inited", write_solution_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
