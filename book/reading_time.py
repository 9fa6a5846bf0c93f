"""A Sphinx extension that says under the title of a chapter how long it takes to read."""

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode

WORDS_PER_MINUTE = 200
"""Silent reading is 238 (Brysbaert 2019); a text to work through is slower."""

LINES_PER_MINUTE = 20
"""Of code that is in sight. Folded code and what code prints are passed over."""

SECONDS_TO_LOOK_AT = 10
"""A formula on a line of its own, a figure, or a table."""


def minutes(node):
    """How long it takes to read a part of a chapter.

    Parameters
    ----------
    node : docutils.nodes.Node

    Returns
    -------
    float
        Minutes.

    Examples
    --------
    >>> from docutils import nodes
    >>> minutes(nodes.paragraph("", "word " * 500))
    2.5
    >>> minutes(nodes.literal_block("", "x = 1\\n\\ny = 2\\n"))
    0.1
    """
    if isinstance(node, nodes.Text):
        return len(node.split()) / WORDS_PER_MINUTE
    if isinstance(node, nodes.math_block | nodes.image | nodes.table):
        return SECONDS_TO_LOOK_AT / 60
    if isinstance(node, HideCodeCellNode | nodes.Invisible | nodes.raw) or "output" in node["classes"]:
        return 0
    if isinstance(node, nodes.literal_block):
        return sum(bool(line.strip()) for line in node.astext().splitlines()) / LINES_PER_MINUTE
    return sum(minutes(child) for child in node.children)


def say_minutes(app, pagename, templatename, context, doctree):
    """Write the time under the title of a page that is a text notebook.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    pagename, templatename : str
    context : dict
        What the page's template is given; changed in place.
    doctree : docutils.nodes.document or None
    """
    if doctree and _is_text_notebook(app.env, pagename):
        said = f'<p class="reading-time">{max(1, round(minutes(doctree)))} min read</p>'
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{said}", 1)


def _is_text_notebook(env, pagename):
    return "kernelspec" in env.metadata[pagename] and env.doc2path(pagename).endswith(".md")


def setup(app):
    """Connect the extension; Sphinx calls this."""
    app.connect("html-page-context", say_minutes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
