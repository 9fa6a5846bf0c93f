"""The pages of the built book, in the order of its table of contents."""

import yaml

from tests.course import ASSIGNMENTS, ROOT

_CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text())

SOLUTIONS = [f"book/solutions/{name}" for name in ASSIGNMENTS]
"""The pages that the build makes; the table of contents has a pattern for them."""

CHAPTERS = [_CONTENTS["root"]] + [
    page
    for part in _CONTENTS["parts"]
    for entry in part["chapters"]
    for page in ([entry["file"]] if "file" in entry else SOLUTIONS)
]
"""What the previous and next buttons lead through."""

PAGES = [*CHAPTERS, "search", "genindex", "py-modindex"]
"""Every page, those that Sphinx adds as well; without `.html`."""
