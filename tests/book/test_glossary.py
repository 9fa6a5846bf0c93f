"""Is the glossary short, in order to read, and does it lead to where each word is taught?"""

import re

import pytest

from tests.book.pages import CHAPTERS
from tests.course import ROOT

SOURCE = (ROOT / "book/glossary.md").read_text()
ENTRY = re.compile(r"((?:^\S.*\n)+)((?:^  .+\n)+)", re.MULTILINE)
ENTRIES = {
    " / ".join(terms.split("\n")[:-1]): " ".join(text.split())
    for terms, text in ENTRY.findall(SOURCE.split(":sorted:\n\n")[1])
}

entries = pytest.mark.parametrize("term", ENTRIES)


def test_glossary_knows_the_words_of_the_course():
    """Are there enough entries, in alphabetical order in the source as on the page?"""
    assert len(ENTRIES) >= 50
    words = [term.lower() for term in ENTRIES]
    assert words == sorted(words)


@entries
def test_entry_is_short_and_says_where(term):
    """Has an entry one to three sentences, and a link to a page of the book?"""
    text = ENTRIES[term]
    pages = re.findall(r"\{doc\}`(\w+)`", text)
    assert pages and all(f"book/{page}" in CHAPTERS for page in pages)
    assert text.endswith(".") and 1 <= len(re.findall(r"[.:](?=\s|$)", text)) <= 4


@entries
def test_chapter_of_an_entry_uses_the_word(term):
    """Does the page that the entry leads to use the word, or the symbol, at all?"""
    page = re.search(r"\{doc\}`(\w+)`", ENTRIES[term]).group(1)
    chapter = (ROOT / f"book/{page}.md").read_text().lower().replace("normalis", "normaliz")
    names = [name.lower().replace("normalis", "normaliz") for name in term.split(" / ")]
    assert any(name in chapter for name in names)
