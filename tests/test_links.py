"""Are the addresses that lead out of the repository well formed, as far as that can be seen offline?

Whether they are still there is for `make links` to say.
"""

import re
from urllib.parse import unquote, urlsplit

import pytest

from tests.book.pages import PAGES
from tests.course import ROOT

FILES = [
    *(
        path
        for path in ROOT.iterdir()
        if path.suffix in {".md", ".yml", ".toml", ".cff"} or path.name == "Makefile"
    ),
    *(path for path in ROOT.glob("book/**/*") if path.suffix in {".md", ".py", ".bib", ".js", ".html"}),
    *ROOT.glob("solutions/*/*.md"),
    *ROOT.glob("exercises/*/*.ipynb"),
    *(
        path
        for folder in ("bn_reference", "grading", "benchmarks")
        for path in ROOT.glob(f"{folder}/**/*.py")
    ),
]
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in FILES}
ADDRESS = re.compile(r"\b(?:https?|ftp)://[^\s`\"'<>()\[\]{},;\\|]+")
NO_ADDRESSES = {
    "https://",  # in code that looks for one
    "http://www.w3.org/2000/svg",  # the name of a format
}
ADDRESSES = sorted(
    {address.rstrip(".") for text in TEXTS.values() for address in ADDRESS.findall(text)} - NO_ADDRESSES
)
MONTH = "(?:0[1-9]|1[0-2])"
ARXIV = re.compile(rf"(?:(?:0[7-9]|1[0-4]){MONTH}\.\d{{4}}|(?:1[5-9]|[2-9]\d){MONTH}\.\d{{5}})(?:v\d+)?")
"""Numbers have five digits after the point since 2015, and four before."""
ENTRIES = dict(re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", TEXTS["book/references.bib"], re.DOTALL | re.MULTILINE))
OURS = re.compile(
    r"https://(?:github\.com|colab\.research\.google\.com/github)/bn-course/bn-course/blob/main/(?P<file>[^#?]+)"
    r"|https://mybinder\.org/v2/gh/bn-course/bn-course/main\?urlpath=lab/tree/(?P<tree>.+)"
    r"|https://bn-course\.github\.io/bn-course/(?P<page>.+)\.html"
    r"|https://github\.com/bn-course/bn-course#(?P<heading>.+)"
)

entries = pytest.mark.parametrize("key", ENTRIES)


def problem_of(address) -> str:
    """What is wrong with an address; nothing if it is well formed."""
    parts = urlsplit(address)
    if parts.hostname == "localhost":
        return ""
    if parts.scheme != "https":
        return f"is {parts.scheme}, expected https"
    if not re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc):
        return f"has the host {parts.netloc!r}"
    if re.search(r"\bexample\.|TODO|XXX|FIXME", unquote(address)):
        return "is a placeholder"
    if "arxiv.org" in parts.netloc and not re.fullmatch(rf"/abs/(?:{ARXIV.pattern})", parts.path):
        return "names no paper on arXiv"
    if "doi.org" in parts.netloc and not re.fullmatch(r"/10\.\d{4,9}/\S+", parts.path):
        return "names no DOI"
    return ""


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_is_well_formed(address):
    """Is it https, with a host, and no placeholder?"""
    assert problem_of(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "http://arxiv.org/abs/1502.03167",
        "https://arxiv.org/abs/1513.03167",
        "https://arxiv.org/pdf/150.03167",
        "https://doi.org/1023/45",
        "https://example.com/page",
        "https://TODO",
        "https://somewhere.org/TODO",
        "https://",
        "ftp://somewhere.org/file",
    ],
)
def test_wrong_address_is_found(address):
    """Does the test above notice each way of being wrong?"""
    assert problem_of(address)


def test_addresses_are_found():
    """Would the tests above notice if there were none?"""
    assert len(ADDRESSES) > 40 and len(ENTRIES) > 20


@pytest.mark.parametrize("address", [address for address in ADDRESSES if OURS.fullmatch(address)])
def test_what_an_address_of_our_own_names_is_there(address):
    """Is there the file, the page or the heading of the README that it leads to?"""
    named = OURS.fullmatch(address).groupdict()
    if file := named["file"] or named["tree"]:
        assert (ROOT / file).is_file()
    elif page := named["page"]:
        assert page in PAGES
    else:
        titles = re.findall(r"^#+ (.+)$", TEXTS["README.md"], re.MULTILINE)
        assert named["heading"] in {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", TEXTS)
def test_papers_on_arxiv_have_their_form(name):
    """Is each number after the word arXiv one that arXiv gives?"""
    for number in re.findall(r"\barXiv(?:[: ]| preprint arXiv:)(\d[\d.v]*\d)", TEXTS[name]):
        assert ARXIV.fullmatch(number), number


@entries
def test_source_can_be_found(key):
    """Has an entry of the bibliography a DOI, an address, or at least volume and pages, in their form?"""
    fields = dict(re.findall(r"^ *(\w+) += \{(.*)\},?$", ENTRIES[key], re.MULTILINE))
    assert fields.keys() >= {"author", "title", "year"}
    assert "url" in fields or "doi" in fields or fields.keys() >= {"volume", "pages"}
    assert re.fullmatch(r"10\.\d{4,9}/\S+", fields.get("doi", "10.1000/none"))
    in_note = re.findall(ARXIV, fields.get("note", "") + fields.get("journal", ""))
    if in_note and "arxiv.org" in fields["url"]:
        assert re.findall(ARXIV, fields["url"]) == in_note
    assert fields["year"] in key


@entries
def test_source_is_cited(key):
    """Does a page of the book cite it?"""
    assert any(re.search(rf"\{{cite[^`]*`[^`]*\b{key}\b", text) for text in TEXTS.values())
