"""Is the English spelled right, and the British way?

codespell knows frequent typos, in any file. A dictionary knows words: it is American, so the British
spellings come from codespell's table of both, and what only this course says from `words.txt`.
"""

import re
import warnings
from functools import cache
from pathlib import Path

import codespell_lib
import pytest
import spylls.hunspell

from tests import prose
from tests.course import ROOT, run

PROSE = prose.everything()


@pytest.fixture(scope="module")
def dictionary():
    """Hunspell's American dictionary, which comes with spylls; spylls leaves its files open."""
    path = Path(spylls.hunspell.__file__).parent / "data/en/en_US"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return cache(spylls.hunspell.Dictionary.from_files(str(path)).lookup)


@cache
def own_words() -> frozenset[str]:
    """The course's own words, and the names in its bibliography."""
    lines = (ROOT / "tests/words.txt").read_text().splitlines()
    authors = re.findall(r"author\s*= \{(.*)\},", (ROOT / "book/references.bib").read_text())
    return frozenset(line for line in lines if not line.startswith("#")) | {*prose.words(" ".join(authors))}


@cache
def british() -> dict[str, str]:
    """British spellings, and the American one of each."""
    path = Path(codespell_lib.__file__).parent / "data/dictionary_en-GB_to_en-US.txt"
    return dict(line.split("->") for line in path.read_text().splitlines())


@cache
def american() -> frozenset[str]:
    """American spellings of words that are spelled otherwise here."""
    ours = british() | {word: word.replace("is", "iz") for word in own_words() if "is" in word}
    return frozenset(other for others in ours.values() for other in others.split(",")) - ours.keys()


def misspelled(text, dictionary) -> set[str]:
    """The words of a text that are in no list, or American."""

    def right(word):
        lower = word.lower()
        if word in own_words() or lower in own_words() or lower in british():
            return True
        return lower not in american() and dictionary(word)

    return {word for word in prose.words(text) if not right(word)}


@pytest.mark.parametrize("place", PROSE)
def test_every_word_is_known(place, dictionary):
    """Is each word in a dictionary or in `words.txt`, and British where there is a choice?"""
    assert misspelled(PROSE[place], dictionary) == set()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("The variansce is biased.", {"variansce"}),
        ("We normalize it. Batch Normalization normalises.", {"normalize"}),
        ("An optimizer, an optimiser, the behavior.", {"optimizer", "behavior"}),
        ("```python\nvariansce = 1\n```\nand $variansce$ and `variansce`", set()),
        ("Mini-bacth statistics don't, of Szegedy's.", {"bacth"}),
        (":::{dropdown} A qwestion?\nIts ansver.\n:::", {"qwestion", "ansver"}),
    ],
)
def test_wrong_word_is_found(text, wrong, dictionary):
    """Are typos and American spellings found, in prose and not in code?"""
    assert misspelled(prose.of_page(text), dictionary) == wrong


def test_own_words_are_needed():
    """Is every word of `words.txt` said somewhere?"""
    said = {word for text in PROSE.values() for word in prose.words(text)}
    said |= {word.lower() for word in said}
    listed = [w for w in (ROOT / "tests/words.txt").read_text().splitlines() if not w.startswith("#")]
    assert sorted(set(listed) - said) == []


def test_codespell_finds_nothing():
    """Is no file of the repository on codespell's list of typos?"""
    run("codespell", cwd=ROOT)
