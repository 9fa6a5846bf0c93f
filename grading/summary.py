"""Print the grades of each assignment as a table.

Usage: ``python -m grading.summary [ASSIGNMENT ...]`` in the course's folder. Without a name: all of them.
"""

import argparse
import re
import sys

from nbgrader.api import Gradebook
from nbgrader.apps import NbGrader
from tabulate import tabulate


def grade_rows(gradebook: Gradebook, assignment: str) -> list[dict[str, str]]:
    """One row for each learner who handed in: points by part, total, and what is left to do.

    Cells named ``check_f`` and ``hidden_f`` are two halves of the part ``f``, and are added up.

    Raises
    ------
    nbgrader.api.MissingEntry
        If the gradebook has no such assignment.
    """
    rows = []
    for submission in sorted(gradebook.assignment_submissions(assignment), key=lambda s: s.student.id):
        parts: dict[str, float] = {}
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                part = re.sub("^(check|hidden)_", "", grade.name)
                parts[part] = parts.get(part, 0.0) + (grade.score or 0.0)
        row = {"student": submission.student.id}
        row |= {part: f"{score:g}" for part, score in parts.items()}
        row["total"] = f"{submission.score:g} of {submission.max_score:g}"
        row["to do"] = "grade by hand" if submission.needs_manual_grade else ""
        rows.append(row)
    return rows


def table(gradebook: Gradebook, assignment: str) -> str:
    """The name of the assignment, and its `grade_rows` laid out below it."""
    rows = grade_rows(gradebook, assignment)
    if not rows:
        return f"{assignment}\n\nNobody has handed it in yet."
    columns = list(dict.fromkeys(key for row in rows for key in row))
    header = {key: key.replace("_", "\n") for key in columns}
    return f"{assignment}\n\n{tabulate(rows, headers=header, disable_numparse=True)}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Print the grades of each assignment.")
    parser.add_argument("assignments", metavar="ASSIGNMENT", nargs="*", help="all of them by default")
    wanted = parser.parse_args().assignments

    app = NbGrader()
    app.initialize([])
    with Gradebook(app.coursedir.db_url, app.coursedir.course_id) as gradebook:
        released = sorted(assignment.name for assignment in gradebook.assignments)
        missing = [name for name in wanted if name not in released]
        if missing:
            sys.exit(f"the gradebook has no assignment {missing[0]!r}; release it first: make exercises")
        print("\n\n".join(table(gradebook, name) for name in wanted or released))


if __name__ == "__main__":
    main()
