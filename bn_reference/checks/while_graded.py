"""What stands in the place of `bn_reference.checks` beside a notebook that is being graded.

There the notebook's own calls of ``check`` are not what counts: the grader tries each function
itself. They do nothing, and so does ``hint``.
"""

from collections.abc import Callable

PUBLIC_SEED = 1502_03167


def check(name: str, function: Callable, points: float = 1.0, seed: int = PUBLIC_SEED) -> None:
    """Say that the grader will try `function`."""
    print(f"{name} is checked by the grader.")


def hint(name: str) -> None:
    """Say nothing."""
