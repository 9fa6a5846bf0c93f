"""The committed results of `make bench`, as tables for the book. No number comes from here."""

import json
from html import escape
from pathlib import Path

from IPython.display import HTML
from tabulate import tabulate

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
CONTENDERS = ("peer", "method")
"""What a record calls that which is compared."""


def load(name: str) -> dict:
    """One file of results; no records where it has not been measured."""
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else {"records": []}


def where_and_when(results: dict) -> str:
    """Machine, date and versions, as the file states them."""
    about = {name: value for name, value in results.items() if not isinstance(value, list | dict)}
    return ", ".join(
        f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}"
        for name, value in about.items()
    )


def question(record: dict) -> dict[str, str]:
    """What was measured, such as shape and threads: the same for all peers that are compared."""
    words = {}
    for name, value in record.items():
        is_measured = value is None or isinstance(value, float)
        if name not in CONTENDERS and not is_measured:
            words[name] = "×".join(map(str, value)) if isinstance(value, list) else str(value)
    return words


def side_by_side(records: list[dict], column: str, show, says: str) -> HTML:
    """One row for each question and one column for each value of `column`; `show` writes a cell.

    A wide table scrolls, by keyboard too; `says` names it for those who do not see it.
    """
    rows: dict[tuple, dict[str, str]] = {}
    for record in records:
        words = question(record)
        rows.setdefault(tuple(words.values()), dict(words))[record[column]] = show(record)
    return as_table(list(rows.values()), says)


def as_table(rows: list[dict], says: str) -> HTML:
    """`rows` as they are; numbers with two decimals."""
    words = [{name: _in_words(value) for name, value in row.items()} for row in rows]
    table = tabulate(words, headers="keys", tablefmt="html", disable_numparse=True)
    table = table.replace("<table>", '<table class="table benchmark">').replace("<th>", '<th scope="col">')
    table = table.replace("bn_reference.", "bn_reference.<wbr>").replace("torch.", "torch.<wbr>")
    region = f'<div class="benchmark" role="region" tabindex="0" aria-label="{escape(says)}">'
    return HTML(f"{region}{table}</div>")


def _in_words(value) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)
