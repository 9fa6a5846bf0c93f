"""A copy of the course in a folder of its own, taken through nbgrader once for all tests."""

import shutil

import pytest

from tests.course import ASSIGNMENTS, ROOT, run


@pytest.fixture(scope="session", params=ASSIGNMENTS)
def assignment(request):
    """Each problem set in turn."""
    return request.param


@pytest.fixture(scope="session")
def released_course(tmp_path_factory):
    """The course with its exercises made anew from the solutions."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "solutions", course / "solutions", ignore=shutil.ignore_patterns("*.ipynb"))
    shutil.copytree(ROOT / "samples", course / "samples")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    (course / "course").mkdir()
    for name in ASSIGNMENTS:
        run("jupytext", "--quiet", "--to", "ipynb", f"solutions/{name}/{name}.md", cwd=course)
        run("nbgrader", "generate_assignment", name, cwd=course)
    return course


@pytest.fixture(scope="session")
def graded_course(released_course, assignment):
    """The same, after the sample class has handed in the assignment, been graded and been given feedback."""
    run("python", "-m", "grading.sample_class", assignment, cwd=released_course)
    run("nbgrader", "autograde", assignment, cwd=released_course)
    run("nbgrader", "generate_feedback", assignment, cwd=released_course)
    return released_course
