"""Is the PDF of the book a book: numbered, with an outline, links that stay inside, and nothing cut off?"""

import importlib.util
import unicodedata

import pytest

from tests.book.pages import CHAPTERS
from tests.course import ROOT

PRINTED = ["book/index", "book/whitening", "book/bandwidth", "book/references"]
"""Links to other chapters, formulas, folded code, a figure that moves, sections that share their names."""

ON_PAPER = {"width": 658, "height": 900}
"""What the margins leave of A4 across, in the browser's pixels."""

TOO_WIDE = """() => {
    const edge = document.querySelector("article > section").getBoundingClientRect().right;
    return [...document.querySelectorAll("article :is(p, table, pre, img, mjx-container)")]
        .filter((part) => part.getBoundingClientRect().right > edge + 1)
        .map((part) => part.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def print_book(site):
    """The script, told to print the site that was built here; the book's folder is no package."""
    spec = importlib.util.spec_from_file_location("print_book", ROOT / "book/print_book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SITE = site
    return module


@pytest.fixture(scope="module")
def chapters(print_book, browser):
    """Some chapters, printed."""
    return print_book.print_chapters(browser, PRINTED)


@pytest.fixture(scope="module")
def joined(print_book, browser, chapters):
    """These chapters as a book."""
    return print_book.join(print_book.print_front(browser, chapters), chapters)


@pytest.fixture(scope="module")
def texts(joined):
    """The text of each page of the book."""
    return [page.extract_text() for page in joined.pages]


def test_every_page_carries_its_number(joined, texts):
    """Is the number in the margin the one by which a reader of PDFs calls the page?"""
    front = joined.page_labels.index("1")
    assert joined.page_labels[:front] == ["i", "ii"]
    for label, text in list(zip(joined.page_labels, texts, strict=True))[front:]:
        assert label in text.split("\n")


def test_contents_name_the_page_of_each_chapter(chapters, joined, texts):
    """Does each chapter begin on the page that the contents say, with its title?"""
    for chapter in chapters:
        assert _squeezed(f"{chapter.title} {chapter.number}") in _squeezed(texts[1])
        first = joined.page_labels.index(str(chapter.number))
        text = _squeezed(texts[first]).removeprefix(str(chapter.number))
        assert text.startswith(_squeezed(chapter.title))


def test_outline_leads_to_chapters_and_their_sections(chapters, joined, texts):
    """Does each entry lead to the page on which its heading stands?"""
    outline = [entry for entry in joined.outline if not isinstance(entry, list)]
    assert [entry.title for entry in outline] == [chapter.title for chapter in chapters]
    entries = [entry for part in joined.outline for entry in (part if isinstance(part, list) else [part])]
    assert len(entries) > 10
    for entry in entries:
        on_page = texts[joined.get_destination_page_number(entry)]
        assert _squeezed(entry.title) in _squeezed(on_page)


def test_links_lead_inside_or_to_the_web(print_book, joined, chapters):
    """Does no link need the folder in which the book was built, and does one to a chapter open it?"""
    started = {joined.pages[joined.page_labels.index(str(c.number))].indirect_reference for c in chapters}
    links = list(print_book._links(joined))
    addresses = [link["/A"]["/URI"] for link in links if "/A" in link]
    assert all(address.startswith("https://") for address in addresses)
    assert print_book.CONFIG["html"]["baseurl"] + "book/why.html" in addresses  # a page that was not printed
    opened = {link["/Dest"][0] for link in links if "/Dest" in link and link["/Dest"][1] == "/Fit"}
    assert opened == started
    assert any(link["/Dest"][1] == "/XYZ" for link in links if "/Dest" in link)  # a figure or an equation


def test_citation_opens_its_entry(joined, chapters):
    """Does a citation in one chapter lead to its own line of the references, not to their first page?"""
    first = joined.page_labels.index(str(chapters[-1].number))
    entries = {page.indirect_reference for page in joined.pages[first:]}
    links = [link.get_object() for page in joined.pages[:first] for link in page.get("/Annots", [])]
    places = {tuple(link["/Dest"]) for link in links if "/Dest" in link and link["/Dest"][0] in entries}
    assert len([place for place in places if place[1] == "/XYZ"]) > 3  # others lead to the whole chapter


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_paper_is_white_whatever_the_screen_is(print_book, browser, theme):
    """Is a page printed dark on light for who reads light on dark, who then reads on as before?"""
    tab = browser.new_page(color_scheme=theme)
    tab.goto(print_book._address("book/whitening"))
    themes = [tab.locator("html").get_attribute("data-theme")]
    for event in ("beforeprint", "afterprint"):
        tab.evaluate("name => window.dispatchEvent(new Event(name))", event)
        themes.append(tab.locator("html").get_attribute("data-theme"))
    assert themes == [theme, "light", theme]
    tab.close()


def test_formulas_are_set_and_folded_code_stays_out(texts):
    """Is no TeX to be read, and nothing to click on?"""
    text = "\n".join(texts)
    assert "\\(" not in text and "\\frac" not in text
    assert "Show the code" not in text and "Contents" not in text


def test_answers_are_printed(texts):
    """Can who reads on paper compare what they thought with the answer?"""
    assert "Standardising changes where the features are" in " ".join("\n".join(texts).split())


def test_figure_that_moves_is_printed_as_a_picture(print_book, browser):
    """Is the still picture there, which a page from a server would replace?"""
    tab = browser.new_page()
    tab.goto(print_book._address("book/whitening"))
    tab.evaluate("window.MathJax?.startup.promise")
    for figure in tab.locator("figure[id^=fig-live-]").all():
        assert figure.locator("img").is_visible()
    assert tab.locator("figure[id^=fig-live-]").count() > 0
    tab.close()


@pytest.mark.parametrize("page", CHAPTERS)
def test_nothing_is_cut_off_on_paper(print_book, browser, page):
    """Do tables, code, formulas and figures fit between the margins, and are there no buttons?"""
    tab = browser.new_page(viewport=ON_PAPER)
    tab.emulate_media(media="print")
    tab.goto(print_book._address(page))
    tab.evaluate("window.MathJax?.startup.promise")
    assert tab.evaluate(TOO_WIDE) == []
    assert [button for button in tab.get_by_role("button").all() if button.is_visible()] == []
    tab.close()


def test_site_links_to_where_the_pdf_is_published(print_book, site):
    """Does the foot of the pages lead to the file that `make pdf` writes, below the address of the site?"""
    name = print_book.CONFIG["sphinx"]["config"]["html_context"]["pdf"]
    assert f'href="{print_book.CONFIG["html"]["baseurl"]}{name}"' in (site / "book/index.html").read_text()


def _squeezed(text):
    """Without the spaces and ligatures, which a PDF sets as it likes."""
    return "".join(unicodedata.normalize("NFKC", text).split())
