"""Running the course: releasing the exercises, and grading what learners hand in."""
