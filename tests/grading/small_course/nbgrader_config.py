"""A course that is not about Batch Normalization, and has its tests in plain assertions."""

from grading.autograde import install

c = get_config()  # noqa: F821, nbgrader provides it

install()
c.CourseDirectory.course_id = "small"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.md"]
c.TrustedGrader.cell_seconds = 5.0
c.TrustedGrader.call_seconds = 5.0
c.TrustedGrader.submission_seconds = 30.0
