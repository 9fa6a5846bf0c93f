"""Do the book's tables of benchmarks take whatever peers and machines the results name?"""

import importlib.util

import pytest

from tests.course import ROOT


@pytest.fixture(scope="module")
def tables():
    """The module that the chapters import; they run in the folder that it is in."""
    spec = importlib.util.spec_from_file_location("benchmark_tables", ROOT / "book/benchmark_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORDS = [
    {"shape": [8, 4], "dtype": "bfloat16", "peer": "<torch>", "seconds": 2.0, "of the limit": 2.0},
    {"shape": [8, 4], "dtype": "bfloat16", "peer": "newcomer", "seconds": 1.0, "of the limit": 1.0},
    {"shape": [9, 4], "dtype": "bfloat16", "peer": "newcomer", "seconds": 3.0, "of the limit": None},
]


def test_a_row_is_a_question_and_a_column_a_peer(tables):
    """Is everything that is not measured part of the question, and each peer a column?"""
    html = tables.side_by_side(RECORDS, "peer", lambda record: f"{record['seconds']:.1f}", says="Time").data

    cells = [cell.split("<")[0].strip() for cell in html.replace("</th>", "<td>").split("<td>")]
    assert [cell for cell in cells if "×" in cell] == ["8×4", "9×4"]
    assert html.count("<tr>") == 3
    assert "newcomer" in html and "&lt;torch&gt;" in html and "of the limit" not in html


def test_a_wide_table_can_be_scrolled_with_the_keyboard(tables):
    """Has the region a name, and can it take the focus?"""
    html = tables.side_by_side(RECORDS, "peer", lambda record: "1", says="Time").data

    assert html.startswith('<div class="benchmark" role="region" tabindex="0" aria-label="Time">')


def test_the_machine_is_named_from_the_file(tables):
    """Does the line say all that the file says about where and when?"""
    about = {"date": "2026-01-02", "machine": "a machine", "bandwidth": 4.2e12, "records": RECORDS}

    assert tables.where_and_when(about) == "date: 2026-01-02, machine: a machine, bandwidth: 4.2e+12"


def test_a_summary_is_shown_with_two_decimals(tables):
    """Are numbers shortened, and is what was not measured left empty?"""
    html = tables.as_table([{"peer": "newcomer", "batches": 3, "worst": 0.123}, {"worst": None}], "All").data

    assert "newcomer" in html and "0.12 " in html and "3" in html and "None" not in html


def test_results_that_were_never_measured_are_empty(tables):
    """Does a missing file give no records, and a committed one some?"""
    assert tables.load("of_no_machine.json")["records"] == []
    assert tables.load("batchnorm_cpu.json")["records"]
