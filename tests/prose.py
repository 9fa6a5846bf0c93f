"""The English of the course: pages, exercises, what checks say, and docstrings, without the code."""

import ast
import re
from collections.abc import Iterator

import numpy as np

from bn_reference.checks import SPECS
from tests.course import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(page for page in ROOT.glob("book/**/*.md") if page.parent.name != "solutions"),
    *ROOT.glob("solutions/*/*.md"),
]
MODULES = [path for folder in ("bn_reference", "grading", "book") for path in ROOT.glob(f"{folder}/**/*.py")]

NO_PROSE = re.compile(
    r"""\A---\n.*?\n---\n          # the header of a notebook
    | ^\s*(`{3,}|:{3,}).*?^\s*\1   # code, and directives with their options
    | ^\+\+\+.*?$                  # the metadata of a cell
    | \$\$.*?\$\$(\s\([\w-]+\))?    # formulas, with their labels
    | \$[^$\n]+\$
    | \{[a-z:]+\}`[^`]*`           # roles
    | ``[^`]+`` | `[^`]+`          # code in a line
    | \]\([^)]*\) | https?://\S+   # where a link leads
    | ^\([\w-]+\)=$                # labels
    | <[^>\n]*>                    # HTML
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
CAPTION = re.compile(r"^    (?:caption|alt): (.*?)(?=^ {0,4}\S)", re.DOTALL | re.MULTILINE)
TEXT_INSIDE = re.compile(r"^```\{(?:glossary|list-table)\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
BOX = re.compile(r"^:::\{(?:admonition|dropdown)\} (.*?)^:::$", re.DOTALL | re.MULTILINE)
INSIDE = (CAPTION, TEXT_INSIDE, BOX)
"""Prose within directives, which are no prose otherwise."""
LISTED = re.compile(r"[\w, *]+ : .*|[a-z_]+(, [a-z_]+)*")
"""A line of a docstring that names parameters, or modules."""


def of_page(text: str) -> str:
    """The prose of a Markdown page: its text, and the captions of its figures."""
    return NO_PROSE.sub(" ", "\n".join([text, *(part for kind in INSIDE for part in kind.findall(text))]))


def of_module(source: str) -> str:
    """The prose of a module: its docstrings, without their examples."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    documented = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    texts = [(ast.get_docstring(node) or "").split("Examples\n---")[0] for node in documented]
    lines = [line for text in texts for line in text.splitlines() if not LISTED.fullmatch(line)]
    return NO_PROSE.sub(" ", "\n".join(lines))


def of_check(name: str) -> str:
    """What the check of a function may say, without the names of arguments and results."""
    spec = SPECS[name]
    names = "|".join([*spec.nodes, *spec.cases(np.random.default_rng(0))[0].inputs])
    sentences = [mistake.says for mistake in spec.mistakes]
    sentences += [text for part in spec.parts for text in (part.title, part.nudge, part.hint, part.source)]
    return re.sub(rf"\b({names})\b", " ", "\n".join(sentences))


def everything() -> dict[str, str]:
    """All prose, by where it is from."""
    prose = {str(path.relative_to(ROOT)): of_page(path.read_text()) for path in PAGES}
    prose |= {str(path.relative_to(ROOT)): of_module(path.read_text()) for path in MODULES}
    return prose | {f"check of {name}": of_check(name) for name in SPECS}


def words(prose: str) -> Iterator[str]:
    """The words of some prose. What holds digits, underscores or capitals inside is a name and no word."""
    for token in re.split(r"[^\w'’.-]+", prose):
        for part in token.replace("’", "'").split("-"):
            word = part.strip(".'").removesuffix("'s")
            if re.fullmatch(r"[A-Za-zÀ-ÿ][a-zà-ÿ]+(n't)?", word):
                yield word
