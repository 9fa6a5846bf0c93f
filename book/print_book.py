"""Print the built book into one PDF, with contents, an outline, page numbers and links that stay inside.

Usage: ``python book/print_book.py``, after the book is built. Chromium prints each page of the table
of contents from `_build/html`, as it looks with `print.css`, and pypdf joins what it printed.
Read from files and not from a server, the pages show the still pictures of the interactive figures.
"""

import html
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle
from pypdf.generic import ArrayObject, DictionaryObject, Fit, NameObject, TextStringObject

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text())
SITE = ROOT / "_build/html"

NUMBERED = """
@page {{
  @top-center {{ content: {title}; color: #555; font: 9pt sans-serif }}
  @bottom-center {{ content: counter(page); color: #555; font: 9pt sans-serif }}
}}
@page :first {{ @top-center {{ content: none }} }}
html {{ counter-reset: page {before} }}
"""
"""The margins of a chapter's pages; `before` is the number of the page before its first."""

FRONT = """<!doctype html>
<style>
@page {{ size: A4; margin: 25mm }}
body {{ font: 11pt sans-serif }}
h1 {{ font-weight: 500; font-size: 26pt; margin: 30mm 0 8mm }}
h2 {{ font-size: 12pt; margin: 6mm 0 2mm; break-after: avoid }}
div.contents {{ break-before: page }}
a {{ color: inherit; text-decoration: none; display: flex; justify-content: space-between; line-height: 1.7 }}
</style>
<h1>{title}</h1>
<p>{author}</p>
<p>{copyright}</p>
<p>To read on a screen, with figures that move and code to run: {site}</p>
<div class="contents">{contents}</div>
"""


READ = """heading => {
    const words = heading.cloneNode(true);
    words.querySelectorAll(".headerlink").forEach((link) => link.remove());
    return words.textContent;
}"""
"""The words of a heading, without the link to itself."""


LINK_ALL = """() => {
    const links = document.createElement("nav");
    links.hidden = true;
    for (const { id } of document.querySelectorAll("article [id]:not(svg *, mjx-container *)")) {
        links.append(Object.assign(document.createElement("a"), { href: `#${encodeURIComponent(id)}` }));
    }
    document.body.append(links);
}"""
"""Chromium notes the place of what the page itself links to; other chapters link to other things."""

OPEN_ANSWERS = """() => document.querySelectorAll("details.sd-dropdown").forEach((answer) => {
    answer.open = true;
})"""
"""Nobody can unfold paper. (Folded code is another matter: it stays out.)"""


@dataclass(frozen=True)
class Chapter:
    """A page of the book, printed."""

    page: str  # its name in the table of contents
    title: str
    number: int  # that its first page carries
    sections: list  # anchor and heading of each
    printed: PdfReader


def print_chapters(browser, pages):
    """Print pages of the book, one after the other.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
    pages : list of str
        Their names, as in the table of contents.

    Returns
    -------
    list of Chapter
    """
    chapters, number = [], 1
    tab = browser.new_page()
    for page in pages:
        tab.goto(_address(page))
        tab.evaluate("window.MathJax?.startup.promise")
        title = tab.locator("article h1").first.evaluate(READ)
        above = json.dumps(title, ensure_ascii=False)  # CSS writes strings in the same way
        headings = tab.locator("article section[id] > h2").all()
        sections = [(h2.evaluate("h2 => h2.parentElement.id"), h2.evaluate(READ)) for h2 in headings]
        tab.evaluate(OPEN_ANSWERS)
        tab.evaluate(LINK_ALL)
        tab.add_style_tag(content=NUMBERED.format(title=above, before=number - 1))
        chapters.append(Chapter(page, title, number, sections, _printed(tab)))
        number += len(chapters[-1].printed.pages)
    tab.close()
    return chapters


def print_front(browser, chapters):
    """Print the title page and the contents.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
    chapters : list of Chapter

    Returns
    -------
    pypdf.PdfReader
    """
    captions = {part["chapters"][0]["file"]: part["caption"] for part in CONTENTS["parts"]}
    lines = []
    for chapter in chapters:
        if chapter.page in captions:
            lines.append(f"<h2>{captions[chapter.page]}</h2>")
        title = html.escape(chapter.title)
        lines.append(f'<a href="{_address(chapter.page)}"><span>{title}</span>{chapter.number}</a>')
    tab = browser.new_page()
    tab.goto(_address(CONTENTS["root"]))  # an empty page may not link to files
    facts = {name: html.escape(CONFIG[name]) for name in ("title", "author", "copyright")}
    tab.set_content(FRONT.format(**facts, site=CONFIG["html"]["baseurl"], contents="\n".join(lines)))
    printed = _printed(tab)
    tab.close()
    return printed


def join(front, chapters):
    """Make one document of what was printed.

    Parameters
    ----------
    front : pypdf.PdfReader
    chapters : list of Chapter

    Returns
    -------
    pypdf.PdfWriter
    """
    book = PdfWriter()
    book.append(front)
    places = {}
    for chapter in chapters:
        first = len(book.pages)
        for anchor, place in chapter.printed.named_destinations.items():
            number = first + chapter.printed.get_destination_page_number(place)
            places[chapter.page, unquote(anchor.lstrip("/"))] = (number, Fit.xyz(left=0, top=place.top))
        places[chapter.page, ""] = (first, Fit.fit())
        _address_links(chapter)
        book.append(chapter.printed)
        item = book.add_outline_item(title=chapter.title, page_number=first, is_open=False)
        for anchor, heading in chapter.sections:
            number, fit = places[chapter.page, anchor]
            book.add_outline_item(title=heading, page_number=number, fit=fit, parent=item)
    _lead_links_inside(book, places)
    book.set_page_label(0, len(front.pages) - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    book.set_page_label(len(front.pages), len(book.pages) - 1, style=PageLabelStyle.DECIMAL)
    book.add_metadata({"/Title": CONFIG["title"], "/Author": CONFIG["author"]})
    book.page_mode = "/UseOutlines"
    book.compress_identical_objects()
    return book


def _address(page):
    return (SITE / f"{page}.html").as_uri()


def _printed(tab):
    return PdfReader(io.BytesIO(tab.pdf(prefer_css_page_size=True, print_background=True)))


def _links(document):
    for page in document.pages:
        for annotation in page.get("/Annots", []):
            if annotation.get_object()["/Subtype"] == "/Link":
                yield annotation.get_object()


def _lead_elsewhere(link, address):
    link.pop("/Dest", None)
    link[NameObject("/A")] = DictionaryObject(
        {NameObject("/S"): NameObject("/URI"), NameObject("/URI"): TextStringObject(address)}
    )


def _address_links(chapter):
    """Write links within a page of the book in full: an anchor is unique in its page alone."""
    for link in _links(chapter.printed):
        if "/Dest" in link:
            _lead_elsewhere(link, f"{_address(chapter.page)}#{link['/Dest'].lstrip('/')}")


def _lead_links_inside(book, places):
    """Let links to the site's files lead to their place in the book, or else to the published site."""
    files = f"{SITE.as_uri()}/"
    for link in _links(book):
        address = link["/A"]["/URI"]
        if not address.startswith(files):
            continue
        path, _, anchor = address.removeprefix(files).partition("#")
        page = path.removesuffix(".html")
        if (page, "") in places:
            number, fit = places.get((page, unquote(anchor)), places[page, ""])
            del link["/A"]
            place = [book.pages[number].indirect_reference, fit.fit_type, *fit.fit_args]
            link[NameObject("/Dest")] = ArrayObject(place)
        else:
            _lead_elsewhere(link, CONFIG["html"]["baseurl"] + path)


def main():
    """Print the book into the folder of the site, so that it is published with it."""
    pages = [CONTENTS["root"], *(page["file"] for part in CONTENTS["parts"] for page in part["chapters"])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        chapters = print_chapters(browser, pages)
        front = print_front(browser, chapters)
        browser.close()
    join(front, chapters).write(SITE / CONFIG["sphinx"]["config"]["html_context"]["pdf"])


if __name__ == "__main__":
    main()
