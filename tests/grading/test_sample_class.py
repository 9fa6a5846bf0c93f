"""Does filling a learner's cells into an exercise give the notebook they would hand in?"""

import nbformat.v4 as v4
import pytest

from grading.sample_class import fill_in


@pytest.fixture
def exercise():
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell("Part 1"),
            v4.new_code_cell("raise", metadata={"nbgrader": {"grade_id": "part_1", "points": 2}}),
            v4.new_code_cell("check()", metadata={"nbgrader": {"grade_id": "check_1"}}),
        ]
    )


def test_answer_replaces_the_text_and_keeps_the_metadata(exercise):
    """Is a filled cell still the cell that nbgrader knows?"""
    answers = v4.new_notebook(cells=[v4.new_code_cell("x = 1", metadata={"answers": "part_1"})])
    filled = fill_in(exercise, answers)
    assert [cell.source for cell in filled.cells] == ["Part 1", "x = 1", "check()"]
    assert filled.cells[1].metadata.nbgrader.points == 2
    assert exercise.cells[1].source == "raise"


def test_cells_of_their_own_go_before_the_next_answer(exercise):
    """Is a learner's helper defined before the answer that uses it?"""
    cells = [
        v4.new_code_cell("helper = 1"),
        v4.new_code_cell("x = helper", metadata={"answers": "part_1"}),
        v4.new_markdown_cell("done"),
    ]
    filled = fill_in(exercise, v4.new_notebook(cells=cells))
    assert [cell.source for cell in filled.cells] == ["Part 1", "helper = 1", "x = helper", "check()", "done"]


def test_answer_to_no_cell_is_refused(exercise):
    """Does a sample that has drifted from the exercise fail loudly?"""
    answers = v4.new_notebook(cells=[v4.new_code_cell("x", metadata={"answers": "part_9"})])
    with pytest.raises(ValueError, match="'part_9', expected the grade id"):
        fill_in(exercise, answers)
