"""A submission, rebuilt: the learner's text in the instructor's notebook.

Of what was handed in, only the text of its cells is taken. Metadata, tags, outputs and attachments are
dropped, and every cell that belongs to the instructor comes from the master.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_locked, is_solution

from grading.master import Master, grade_id

LARGEST = 20 << 20
"""The largest file that is read, in bytes."""

MOST_CELLS = 2000

MOST_PARTS = 2_000_000
"""How many braces and brackets a file may have: what they enclose takes much more memory than the file."""

BREAK = "\N{ZERO WIDTH SPACE}"
"""Put after the first character of a tag, it makes text of it."""


class Unreadable(Exception):
    """What was handed in is no notebook; the message says what it is."""


@dataclass(frozen=True)
class Written:
    """A cell of the submission: what its learner wrote, and where they say that it belongs."""

    kind: str
    source: str
    claims: str = ""
    id: str = ""


def rebuild(master: Master, data: bytes) -> tuple[NotebookNode, list[str]]:
    """The notebook to grade.

    Parameters
    ----------
    master : Master
    data : bytes
        The file that was handed in.

    Returns
    -------
    notebook : NotebookNode
    remarks : list of str
        What was not as it should be, in sentences.

    Raises
    ------
    Unreadable
        If `data` is no notebook.
    """
    cells = list(_written(data))
    owners, remarks = _owners(master, cells)
    own: dict[str, list[Written]] = {"": []}
    place = ""
    for number, cell in enumerate(cells):
        if number in owners:
            place = owners[number]
            own.setdefault(place, [])
        else:
            own[place].append(cell)
    answers = {name: cells[number] for number, name in owners.items()}
    notebook = nbformat.v4.new_notebook(metadata=deepcopy(master.metadata))
    notebook.cells = [*map(_own_cell, own[""])]
    for cell in master.cells:
        name = grade_id(cell)
        if name in answers or is_grade(cell) or is_locked(cell):
            notebook.cells.append(_owned_cell(cell, answers.get(name)))
        notebook.cells += map(_own_cell, own.get(name, ()))
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    missing = [name for name in master.by_id if name not in answers]
    if missing:
        remarks.append(f"Cells of the exercise are missing: {', '.join(missing)}.")
    return notebook, remarks


def _written(data: bytes) -> Iterator[Written]:
    content = _parsed(data)
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise Unreadable("it has no list of cells, expected a notebook of nbformat 4")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"it has {len(cells)} cells, the limit is {MOST_CELLS}")
    for cell in cells:
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            continue
        source = cell.get("source", "")
        if isinstance(source, list):
            source = "".join(line for line in source if isinstance(line, str))
        if isinstance(source, str):
            # A lone surrogate is valid JSON and no text: it could not be written down again.
            source = source.encode("utf-8", "replace").decode()
            source = source.replace("\r\n", "\n")  # as editors on Windows end their lines
            yield Written(cell["cell_type"], source, _claim(cell), str(cell.get("id", "")))


def _parsed(data):
    if len(data) > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST >> 20} MB; clear the outputs")
    if data.count(b"[") + data.count(b"{") > MOST_PARTS:
        raise Unreadable("it has more parts than a notebook can have; clear the outputs")
    if not data.strip():
        raise Unreadable("the file is empty")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"it is not valid JSON ({problem})") from None
    if not isinstance(content, dict):
        raise Unreadable(f"it is a JSON {type(content).__name__}, expected a notebook")
    if content.get("nbformat") in (1, 2, 3):
        try:
            content = nbformat.convert(nbformat.from_dict(content), 4)
        except Exception as problem:  # whatever an ill-formed old notebook makes the converter raise
            raise Unreadable(f"it is an old notebook that cannot be converted ({problem})") from None
    elif content.get("nbformat") != 4:
        raise Unreadable(f"its nbformat is {content.get('nbformat')!r}, expected 4")
    return content


def _claim(cell):
    metadata = cell.get("metadata")
    details = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    claim = details.get("grade_id") if isinstance(details, dict) else None
    return claim if isinstance(claim, str) else ""


def _owners(master, cells):
    """Which cell stands for which cell of the master, and what is odd about it.

    Of several with one grade id the last counts, as for nbgrader. A cell that has lost its
    metadata is known by its id, which the release gives it.
    """
    owners: dict[int, str] = {}
    taken: dict[str, int] = {}
    twice = set()
    for number, cell in enumerate(cells):
        if cell.claims in master.by_id:
            if cell.claims in taken:
                twice.add(cell.claims)
                del owners[taken[cell.claims]]
            owners[number], taken[cell.claims] = cell.claims, number
    ids = {cell["id"]: grade_id(cell) for cell in master.cells if "id" in cell}
    for number, cell in enumerate(cells):
        name = ids.get(cell.id)
        if number not in owners and name is not None and name not in taken and not cell.claims:
            owners[number], taken[name] = name, number
    remarks = [f"The cell {name} was there more than once; the last one counts." for name in sorted(twice)]
    for number, name in owners.items():
        cell = master.by_id[name]
        if is_locked(cell) and cells[number].source != cell.source and not is_grade(cell):
            remarks.append(f"The text of the locked cell {name} was changed; the original was used.")
    return owners, remarks


def _owned_cell(master_cell, written):
    cell = NotebookNode(master_cell)  # only what lies at its top is changed
    if written is not None and is_solution(cell):
        is_text = cell.cell_type == "markdown" and written.source != cell.source
        cell.source = _without_html(written.source) if is_text else written.source
    return cell


def _own_cell(written):
    # nbformat's own makers of cells validate each, which takes longer than all the rest.
    cell = {"cell_type": written.kind, "metadata": {}, "source": written.source}
    if written.kind == "markdown":
        cell["source"] = _without_html(written.source)
    elif written.kind == "raw":  # without a format of its own it would be taken into a page as it is
        cell["metadata"] = {"format": "text/plain"}
    else:
        cell |= {"outputs": [], "execution_count": None}
    return nbformat.from_dict(cell)


def _without_html(source):
    """Markdown in which tags and links with code are text: the instructor reads it in a browser."""
    source = re.sub(r"<(?=[A-Za-z/!?])", "<" + BREAK, source)
    return re.sub(r"(?i)(javascript|vbscript)(?=\s*[:&])", r"\1" + BREAK, source)
