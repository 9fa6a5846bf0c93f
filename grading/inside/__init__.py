"""What runs inside the sandbox, beside the learner's code.

These modules are all that the sandbox gets to see of the grader. They know no test, no expected
value and no other submission, and nothing that they send back is believed: see `grading.answers`.
"""
