"""A Sphinx extension that mends what the book's theme and its extensions write into the pages."""

REPLACED = {
    # A name that says something else than the words on the button ("Show the code").
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # A role that is deprecated, and not allowed inside of a list.
    'role="doc-biblioentry"': 'role="listitem"',
}
"""What MyST-NB and docutils write, and what stands there instead."""


def mend_page(app, pagename, templatename, context, doctree):
    """Mend the text of a page and the list of what it loads, before it is written.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    pagename, templatename : str
    context : dict
        What the page's template is given; changed in place.
    doctree : docutils.nodes.document or None

    Notes
    -----
    Thebe runs code in the page. The book does not use it, but Jupyter Book loads it all the same, and
    Sphinx writes its settings twice, which stops with an error.
    """
    for before, after in REPLACED.items():
        context["body"] = context.get("body", "").replace(before, after)
    for files in ("script_files", "css_files"):
        context[files] = [file for file in context[files] if not _belongs_to_thebe(file)]


def _belongs_to_thebe(file):
    return "thebe" in str(file.filename) or "THEBE" in (file.attributes.get("body") or "")


def setup(app):
    """Connect the extension; Sphinx calls this."""
    app.connect("html-page-context", mend_page, priority=900)  # after everybody who adds files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
