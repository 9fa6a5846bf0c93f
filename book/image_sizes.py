"""A Sphinx extension that writes the size of drawings into the page, so that nothing moves when they come."""

import re
from pathlib import Path

PIXELS_PER_POINT = 4 / 3
"""In CSS. Matplotlib gives the size of its drawings in points."""


def write_sizes(app, pagename, templatename, context, doctree):
    """Give every SVG in the text of a page its width and height, in pixels.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    pagename, templatename : str
    context : dict
        What the page's template is given; changed in place.
    doctree : docutils.nodes.document or None
    """
    sources = {Path(name).name: Path(app.srcdir, path) for path, name in app.builder.images.items()}

    def with_size(image):
        width, height = _size(sources[image["name"]])
        return f'{image[0]} width="{width}" height="{height}"'

    images = r'<img [^>]*src="[^"]*_images/(?P<name>[^"/]+\.svg)"'
    context["body"] = re.sub(images, with_size, context.get("body", ""))


def _size(drawing):
    head = re.search(r"<svg [^>]*>", drawing.read_text())[0]
    sides = (re.search(rf'\b{side}="([\d.]+)pt"', head)[1] for side in ("width", "height"))
    return [round(float(side) * PIXELS_PER_POINT) for side in sides]


def setup(app):
    """Connect the extension; Sphinx calls this."""
    app.connect("html-page-context", write_sizes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
