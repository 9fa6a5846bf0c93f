"""Is the prose free of slips of the pen?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from spellchecker import SpellChecker

from tests.course import ROOT

PROSE = sorted(
    path
    for pattern in ("*.md", "book/*.md", "book/instructors/*.md", "solutions/*/*.md")
    for path in ROOT.glob(pattern)
)
WORDS = Path(__file__).with_name("words.txt")
"""What is spelled right and in no common dictionary: terms, names, and British spelling."""

READ = r"\{(figure|image|dropdown|admonition|note|tip|warning|important|glossary|list-table)\}"
"""The directives that hold text."""

SPELLER = SpellChecker()
SPELLER.word_frequency.load_words(WORDS.read_text().split())
MARKDOWN = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(front_matter_plugin)
    .use(dollarmath_plugin, double_inline=True)
    .use(myst_role_plugin)
    .use(colon_fence_plugin)
)


def words_of(text: str) -> set[str]:
    """The words that a person reads: no code, no formulas, no addresses."""
    found = set()
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            for piece in token.children:
                if piece.type == "text":
                    found |= set(re.findall(r"[A-Za-z][a-z]+", re.sub(r"https?://\S+", "", piece.content)))
        elif token.type in ("fence", "colon_fence") and re.match(READ, token.info):
            found |= words_of(re.sub(r"^:[a-z_-]+:.*$", "", token.content, flags=re.MULTILINE))
    return found


def unknown(text: str) -> list[str]:
    """The words that neither the dictionary nor the list knows."""
    return sorted(word for word in words_of(text) if word.lower() not in SPELLER)


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_words_are_known(path):
    """Is every word of the text in the dictionary or in the list of the course's own?"""
    assert unknown(path.read_text()) == []


def test_words_are_looked_at_where_people_read_them():
    """Does the check see a slip in text, tables and captions, and leave code and formulas alone?"""
    text = """
A sentense with `cde`, $fnord$ and {ref}`qux`.

| tabel |
| --- |
| a celll |

```{figure} x.png
:alt: alternativ
A captoin
```

```python
prnt
```
"""
    assert unknown(text) == ["captoin", "celll", "sentense", "tabel"]


def test_list_of_words_has_nothing_to_spare():
    """Is each word of the list used somewhere? A stale one could hide a slip."""
    used = {word.lower() for path in PROSE for word in words_of(path.read_text())}
    assert set(WORDS.read_text().split()) <= used


def test_common_slips_are_nowhere():
    """Does codespell find nothing, in code and comments too?"""
    found = subprocess.run([sys.executable, "-m", "codespell_lib"], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout + found.stderr == ""
