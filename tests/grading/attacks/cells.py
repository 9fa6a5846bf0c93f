"""Attacks by the notebook's cells: left out, doubled, changed, moved, renamed, and claimed."""

from copy import deepcopy

import nbformat

from tests.grading.attacks.submission import WRONG_FORWARD, Submission, attack


@attack(remark="Cells of the exercise are missing: check_batchnorm_forward, hidden_batchnorm_forward")
def deleted_tests(submission: Submission):
    """Leaves out the tests that it would fail, so that there is nothing to fail."""
    for name in ("check_batchnorm_forward", "hidden_batchnorm_forward"):
        del submission.notebook.cells[submission.place(name)]


@attack(remark="missing: setup, batchnorm_forward", update_running_statistics=0)
def deleted_answers(submission: Submission):
    """Leaves out all but the tests."""
    cells = submission.notebook.cells
    cells[:] = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]


@attack(remark="hidden_batchnorm_forward was there more than once")
def duplicated_cells(submission: Submission):
    """Has every cell twice, as copying does by accident: of a test, one that gives all points."""
    double = deepcopy(submission.cell("hidden_batchnorm_forward"))
    double.source = "5.0"
    submission.notebook.cells.append(double)
    twice = deepcopy(submission.cell("update_running_statistics"))
    submission.notebook.cells.insert(submission.place("update_running_statistics"), twice)
    submission.notebook.cells.insert(0, deepcopy(submission.cell("setup")))


@attack()
def retyped_cells(submission: Submission):
    """Makes Markdown of tests, and code of text."""
    for name in ("check_batchnorm_forward", "hidden_batchnorm_forward", "update_running_statistics"):
        cell = submission.cell(name)
        cell.cell_type = "markdown"
        cell.pop("outputs", None), cell.pop("execution_count", None)
    submission.cell("forgotten_inference_mode").cell_type = "code"
    submission.cell("forgotten_inference_mode").source = "5.0"


@attack()
def reordered_cells(submission: Submission):
    """Turns the order of all cells around."""
    submission.notebook.cells.reverse()


@attack()
def renamed_cells(submission: Submission):
    """Gives the names of hard tests to easy ones."""
    names = [
        f"{half}_{function}"
        for half in ("check", "hidden")
        for function in ("batchnorm_forward", "update_running_statistics")
    ]
    first, second, third, fourth = (submission.cell(name).metadata.nbgrader for name in names)
    first["grade_id"], second["grade_id"] = second["grade_id"], first["grade_id"]
    third["grade_id"], fourth["grade_id"] = "no_such_name", "setup"


@attack()
def altered_points(submission: Submission):
    """Gives itself more points, unlocks the tests, and adapts the checksums."""
    for cell in submission.notebook.cells:
        details = cell.metadata.get("nbgrader", {})
        if details.get("grade"):
            details.update(points=1000, max_score=1000, locked=False, solution=True, checksum="0" * 32)


@attack(remark="text of the locked cell setup was changed")
def altered_tests(submission: Submission):
    """Writes its own text into the tests and into the first cell, which the tests get their names from."""
    give = "def check(*args, **kwargs):\n    return 5.0\nclass Answer(float): pass\nfloat = lambda *args: 5.0"
    submission.cell("setup").source += "\n" + give
    submission.cell("check_batchnorm_forward").source = "2.0"
    submission.cell("hidden_batchnorm_forward").source = "4.0"


@attack()
def claimed_by_own_cells(submission: Submission):
    """Adds cells of its own that claim to be tests, graded answers and written answers."""
    for name in ("hidden_batchnorm_forward", "made_up", "check_batchnorm_forward"):
        claim = {
            "grade": True,
            "grade_id": name,
            "locked": False,
            "solution": True,
            "points": 50,
            "schema_version": 3,
            "cell_type": "code",
            "task": False,
        }
        cell = nbformat.v4.new_code_cell("5.0", metadata={"nbgrader": claim})
        cell["id"] = name.replace("_", "-")
        submission.notebook.cells.append(cell)


@attack()
def odd_names_and_text(submission: Submission):
    """Has lone surrogates, NUL, text that runs backwards, and names that look like others."""
    submission.own("# \ud800 \u202e\u2066 \x00 \x1b[2J\n'\udfff'")
    submission.own(
        "def batchnorm_forward(*args): return 1\ncheсk = lambda *args, **kwargs: 5.0  # the с is Cyrillic"
    )
    cell = submission.cell("check_batchnorm_forward")
    cell.metadata["nbgrader"]["grade_id"] = "check_batchnorm_forward\u200b"
    submission.notebook.cells.append({"cell_type": "code", "source": ["x = ", 5, None], "metadata": None})
    submission.notebook.cells.append({"cell_type": "code", "source": {"x": 5}, "metadata": {"nbgrader": []}})
    submission.notebook.cells.append({"cell_type": ["code"], "source": "5", "id": 7})
    submission.notebook.cells.append(None)


@attack(update_running_statistics=3)
def hidden_in_an_old_answer(submission: Submission):
    """Shows an honest answer to a reader, and another one, with the same name, to the grader."""
    wrong = deepcopy(submission.cell("batchnorm_forward"))
    wrong.source = WRONG_FORWARD
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )
    submission.notebook.cells.append(wrong)


@attack()
def scripts_for_the_reader(submission: Submission):
    """Has scripts in Markdown, in raw cells, in outputs and in error messages, for the instructor's browser."""
    script = "<script>stolen()</script><img src=x onerror=stolen()>"
    cells = submission.notebook.cells
    cells.append(nbformat.v4.new_markdown_cell(script + "\n\n[click](javascript:stolen())"))
    cells.append(nbformat.v4.new_raw_cell(script, metadata={"format": "text/html"}))
    submission.answer("forgotten_inference_mode", script + "\n\n<iframe srcdoc='<script>stolen()</script>'>")
    submission.own(f"""
        from IPython.display import HTML, Javascript, display
        display(HTML({script!r}), Javascript("stolen()"))
        display({{"image/png": '" onerror="stolen()'}}, raw=True)
        display({{"image/svg+xml": "<svg onload=stolen()>", "text/latex": {script!r}, "text/markdown": {script!r}}},
                raw=True)
        print({script!r})
    """)
    submission.own(f"raise ValueError({script!r})")
    submission.own(f"class E(Exception): pass\nE.__name__ = {script!r}\nraise E")
    submission.answer("batchnorm_forward", f"def batchnorm_forward(*args):\n    raise ValueError({script!r})")


@attack()
def too_many_magics(submission: Submission):
    """Has a cell with so many shell commands that IPython refuses to transform it."""
    submission.own("if False:\n" + "    !true\n" * 600)


@attack()
def code_that_cannot_be_read(submission: Submission):
    """Has code that takes a parser to its limits: deep, long, and broken."""
    submission.own("x = " + "(" * 5000 + ")" * 5000)
    submission.own("x = " + "-" * 200_000 + "1")
    submission.own("x = 1" + " + 1" * 100_000)
    submission.own("x = a" + ".b" * 100_000)
    submission.own("x = " + "[" * 150 + "]" * 150 + "\n\\")
    submission.own("if True:\n\tx = 1\n        y = 2\n\x0c\x00")
