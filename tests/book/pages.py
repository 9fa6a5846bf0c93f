"""The pages of the built book, in the order of its table of contents."""

import yaml

from tests.course import ROOT

_CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text())

CHAPTERS = [_CONTENTS["root"]] + [
    chapter["file"] for part in _CONTENTS["parts"] for chapter in part["chapters"]
]
"""What the previous and next buttons lead through."""

PAGES = [*CHAPTERS, "search", "genindex", "py-modindex"]
"""Every page, those that Sphinx adds as well; without `.html`."""
