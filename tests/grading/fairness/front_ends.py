"""A notebook as different programs save it: what each changes in the file."""

import json
import random
import string
from collections.abc import Callable
from copy import deepcopy

FRONT_ENDS: dict[str, Callable[[dict], bytes]] = {}
"""By name, a function that takes a notebook as JSON has it and gives the bytes of the file."""


def front_end(save: Callable[[dict], bytes]) -> Callable[[dict], bytes]:
    """Enter a function into `FRONT_ENDS`."""
    FRONT_ENDS[save.__name__] = save
    return save


def _run(cell, count):
    """As if the cell had been run."""
    if cell["cell_type"] == "code":
        cell["execution_count"] = count
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["5.0\n"]}]


def _in_lines(notebook):
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)


@front_end
def jupyterlab(notebook):
    """Lines in lists, one space to indent, short random ids for new cells, and its own metadata."""
    _in_lines(notebook)
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] |= {"editable": True, "slideshow": {"slide_type": ""}, "tags": [], "trusted": True}
        if cell["cell_type"] == "code":
            cell["metadata"]["execution"] = {"iopub.execute_input": "2026-01-01T10:00:00.000Z"}
        _run(cell, number)
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode() + b"\n"


@front_end
def classic_notebook(notebook):
    """An older minor format, without ids, and with its own metadata for collapsed and scrolled cells."""
    _in_lines(notebook)
    notebook["nbformat_minor"] = 2
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"] |= {"collapsed": True, "scrolled": False, "deletable": True, "hidden": False}
        _run(cell, number)
    notebook["metadata"]["toc"] = {"base_numbering": 1, "nav_menu": {}}
    return json.dumps(notebook, indent=1).encode()


@front_end
def vs_code(notebook):
    """Ids of its own making, Windows line ends, and metadata on the language of each cell."""
    draw = random.Random(0)
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = "".join(draw.choices(string.hexdigits.lower(), k=8))
        cell["source"] = cell["source"].replace("\n", "\r\n").splitlines(keepends=True)
        cell["metadata"]["vscode"] = {"languageId": "python"}
        _run(cell, number)
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.12.1"}
    notebook["metadata"]["vscode"] = {"interpreter": {"hash": "0" * 64}}
    return json.dumps(notebook, indent=1).encode()


@front_end
def colab(notebook):
    """Ids in the metadata and none beside it, outputs with its own kinds, and minor format 0."""
    draw = random.Random(1)
    notebook["nbformat_minor"] = 0
    for number, cell in enumerate(notebook["cells"]):
        cell["source"] = cell["source"].splitlines(keepends=True)
        cell["metadata"] |= {"id": "".join(draw.choices(string.ascii_letters, k=12)), "colab": {"height": 35}}
        if cell["cell_type"] == "code":
            cell["metadata"]["outputId"] = "f3b1c5b2-5c1f-4e5e-a0a7-2d1c8a4f3a6b"
        cell.pop("id", None)
        _run(cell, number)
        if cell["cell_type"] == "code":
            cell["outputs"][0]["output_type"] = "display_data"
            cell["outputs"][0] |= {
                "data": {"application/vnd.google.colaboratory.intrinsic+json": {}},
                "metadata": {},
            }
    notebook["metadata"] = {
        "colab": {"provenance": []},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
    }
    return json.dumps(notebook).encode()


@front_end
def one_that_drops_metadata(notebook):
    """Keeps the ids of cells and nothing of their metadata."""
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    return json.dumps(notebook).encode()


@front_end
def one_with_a_byte_order_mark(notebook):
    """Begins the file with a mark that JSON does not have, as editors on Windows do."""
    return b"\xef\xbb\xbf" + json.dumps(notebook).encode()


@front_end
def nbformat_3(notebook):
    """The format of 2014, which had one sheet of cells, inputs in place of sources, and headings."""
    cells = []
    for cell in deepcopy(notebook["cells"]):
        old = {"cell_type": cell["cell_type"], "metadata": cell["metadata"]}
        if cell["cell_type"] == "code":
            old |= {"input": cell["source"], "language": "python", "outputs": [], "collapsed": False}
        else:
            old["source"] = cell["source"]
        cells.append(old)
    sheets = [{"cells": cells, "metadata": {}}]
    return json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": sheets}
    ).encode()
