"""Does filling a learner's cells into an exercise give the notebook they would hand in?"""

import nbformat
import nbformat.v4 as v4
import pytest

from grading.sample_class import fill_in, hand_in


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


def test_learner_without_a_sample_has_not_handed_in(tmp_path, exercise):
    """Does somebody who skipped this problem set get no submission, and the others theirs?"""
    (tmp_path / "exercises/ps1").mkdir(parents=True)
    nbformat.write(exercise, tmp_path / "exercises/ps1/ps1.ipynb")
    for learner, assignment in (("ada", "ps1"), ("quinn", "ps2")):
        (tmp_path / "samples" / learner).mkdir(parents=True)
        (tmp_path / "samples" / learner / f"{assignment}.md").write_text("")
    submitted = tmp_path / "submitted"
    assert hand_in(tmp_path / "samples", tmp_path / "exercises", submitted, "ps1") == ["ada"]
    assert [path.name for path in submitted.rglob("*.ipynb")] == ["ps1.ipynb"]
