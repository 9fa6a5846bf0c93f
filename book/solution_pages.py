"""A Sphinx extension that writes the pages with the solutions, from the notebooks that hold them.

The pages are made before the sources are read, and are in no repository: a copy would go out of date.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import jupytext

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "book" / "solutions"
MARKER = re.compile(r"^ *### (BEGIN|END) SOLUTION *\n?", re.MULTILINE)
FENCE = "::::"  # of backticks would have none in its title


def page(notebook: Path) -> str:
    """The page of one problem set, in MyST Markdown: each solution is folded, below the title of its part.

    Parameters
    ----------
    notebook : Path
        The problem set with its solutions, as a text notebook. Of its cells only those that learners
        fill in are taken, so that no test comes along.
    """
    cells = jupytext.read(notebook).cells
    title = re.match(r"# (.+)", cells[0].source)[1]
    name = notebook.stem
    pieces = [
        f"# Solutions to {title[0].lower()}{title[1:]}",
        f"One way to write each function of {{doc}}`the exercise </exercises/{name}/{name}>`. Yours may look "
        "different and be as right. Look here when your check passes, or when all its hints have not helped.",
        *_pieces(cells[1:]),
    ]
    return "\n\n".join(pieces) + "\n"


def _pieces(cells) -> Iterator[str]:
    """Each solution in a fold, and before it the titles of its part."""
    titles = []
    for cell in cells:
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("solution"):
            text = MARKER.sub("", cell.source).strip()
            is_code = cell.cell_type == "code"
            title = f"`{grading['grade_id']}`" if is_code else "In words"
            body = f"```python\n{text}\n```" if is_code else text
            yield from titles
            yield f"{FENCE}{{dropdown}} {title}\n{body}\n{FENCE}"
            titles = []
        elif cell.cell_type == "markdown":
            titles = re.findall(r"^## .+", cell.source, re.MULTILINE) or titles


def setup(app):
    """Write the pages; Sphinx calls this before it looks for sources."""
    PAGES.mkdir(exist_ok=True)
    for notebook in sorted(ROOT.glob("solutions/*/*.md")):
        (PAGES / notebook.name).write_text(page(notebook))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
