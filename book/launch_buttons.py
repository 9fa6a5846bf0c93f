"""A Sphinx extension that leaves out the launch buttons of services that cannot open the page's file."""

NEEDS_IPYNB = {"Colab"}
"""What opens notebooks from GitHub in this form alone. A chapter is a text notebook, `.md`, which jupytext
opens on Binder and on a hub; its modules and data are there as well, which Colab would lack."""


def keep_working_buttons(app, pagename, templatename, context, doctree):
    """Take the buttons away that would lead to nothing, before the page is written.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    pagename, templatename : str
    context : dict
        What the page's template is given; changed in place.
    doctree : docutils.nodes.document or None
    """
    if app.env.doc2path(pagename).endswith(".ipynb"):
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            group["buttons"] = [b for b in group["buttons"] if b["text"] not in NEEDS_IPYNB]


def setup(app):
    """Connect the extension; Sphinx calls this."""
    app.connect("html-page-context", keep_working_buttons, priority=900)  # after the theme adds them
    return {"parallel_read_safe": True, "parallel_write_safe": True}
