"""What is shown where somebody shares a link to a page: is it the page's own, and at hand?"""

import base64
import re
import struct

import numpy as np
import pytest
import yaml

from tests.book.pages import CHAPTERS
from tests.course import ROOT

SITE = yaml.safe_load((ROOT / "_config.yml").read_text())["html"]["baseurl"]


PIXELS = """async (address) => {
    const image = new Image(64, 64);
    image.src = address;
    await image.decode();
    const context = new OffscreenCanvas(64, 64).getContext("2d");
    context.drawImage(image, 0, 0, 64, 64);
    return [...context.getImageData(0, 0, 64, 64).data];
}"""
"""The colours of an image, 0 to 255, drawn in a common size."""


def open_graph(page):
    """The page's properties, by name."""
    return dict(re.findall(r'<meta property="og:([\w:]+)" content="([^"]*)"', page.read_text()))


@pytest.mark.parametrize("page", CHAPTERS)
def test_page_has_a_card_of_its_own(site, page):
    """Are title, description and address the page's, and does the card exist in the size that is told?"""
    card = open_graph(site / f"{page}.html")
    assert card["url"] == f"{SITE}{page}.html"
    assert card["title"] in (site / f"{page}.html").read_text().split("</title>")[0]
    assert len(card["description"]) > 40 and "\\(" not in card["description"]
    image = (site / card["image"].removeprefix(SITE)).read_bytes()
    size = struct.unpack(">2I", image[16:24])  # in a PNG, after the signature and the name of the first chunk
    assert size == (int(card["image:width"]), int(card["image:height"]))


def test_cards_differ(site):
    """Does no page show another's card?"""
    images = {open_graph(site / f"{page}.html")["image"] for page in CHAPTERS}
    assert len(images) == len(CHAPTERS)


def test_logo_of_the_cards_is_the_logo(browser):
    """Is the PNG on the cards the drawing of the SVG on the site?"""
    tab = browser.new_page()
    drawings = []
    for name, kind in (("logo.png", "png"), ("logo.svg", "svg+xml")):
        content = base64.b64encode((ROOT / "book/_static" / name).read_bytes()).decode()
        drawings.append(np.array(tab.evaluate(PIXELS, f"data:image/{kind};base64,{content}")))
    tab.close()
    assert np.abs(drawings[0] - drawings[1]).mean() < 1
