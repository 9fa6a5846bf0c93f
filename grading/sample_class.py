"""Hand in for the sample class.

A sample holds only what its learner wrote: a text notebook whose cells say, in their
metadata, which cell of the exercise they answer. Its header says, under ``about``, what is
right and wrong in it. Filled into the released exercise it becomes the notebook that the
learner would hand in, and it stays one when the exercise's text changes.

Usage: ``python -m grading.sample_class ASSIGNMENT`` in the course's folder.
"""

import argparse
import shutil
import sys
from copy import deepcopy
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode


def fill_in(exercise: NotebookNode, answers: NotebookNode) -> NotebookNode:
    """Put a learner's cells into the released exercise.

    Parameters
    ----------
    exercise : NotebookNode
        The release version; it is not changed.
    answers : NotebookNode
        Each cell with ``answers`` in its metadata replaces the text of the cell of that grade
        id. A cell without is the learner's own and goes before the next answer.

    Returns
    -------
    NotebookNode

    Raises
    ------
    ValueError
        If an answer names no cell of the exercise.
    """
    filled = deepcopy(exercise)
    pending = []
    for answer in answers.cells:
        grade_id = answer.metadata.get("answers")
        if grade_id is None:
            pending.append(answer)
            continue
        places = [
            i
            for i, cell in enumerate(filled.cells)
            if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
        ]
        if not places:
            raise ValueError(f"answers is {grade_id!r}, expected the grade id of a cell of the exercise")
        filled.cells[places[0]].source = answer.source
        filled.cells[places[0] : places[0]] = pending
        pending = []
    filled.cells.extend(pending)
    return filled


def hand_in(samples: Path, release: Path, submitted: Path, assignment: str) -> list[str]:
    """Write the submissions of the class, fresh; return who handed in.

    A learner without a sample of the assignment has not handed it in.
    """
    exercise = nbformat.read(release / assignment / f"{assignment}.ipynb", as_version=4)
    students = []
    for sample in sorted(samples.glob(f"*/{assignment}.md")):
        student = sample.parent.name
        folder = submitted / student / assignment
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        nbformat.write(fill_in(exercise, jupytext.read(sample)), folder / f"{assignment}.ipynb")
        students.append(student)
    return students


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Hand in an assignment for the sample class.")
    parser.add_argument("assignment")
    assignment = parser.parse_args().assignment
    students = hand_in(Path("samples"), Path("exercises"), Path("course/submitted"), assignment)
    if not students:
        sys.exit(f"no samples/*/{assignment}.md, expected at least one sample submission")
    print(f"{assignment}: {len(students)} submissions, of {', '.join(students)}")


if __name__ == "__main__":
    main()
