"""What the sample class deserves, worked out by reading each submission; a module for each problem set.

A module holds three things:

POINTS : dict of str to float
    What each graded function is worth, its visible and its hidden cell together, in the order of the
    problem set.
DESERVED : dict of str to tuple of float
    For each learner who handed in, the points for each function in that order: the share of the parts
    of its check that are right. A comment says why points are missing.
BY_HAND : set of str
    The learners whose written answers wait for a person to grade them.
"""

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Deserved:
    """What the class deserves for one problem set.

    Attributes
    ----------
    points : dict of (str, str) to float
        By learner and function.
    functions : tuple of str
        In the order of the problem set.
    learners, by_hand : frozenset of str
    """

    points: dict[tuple[str, str], float]
    functions: tuple[str, ...]
    learners: frozenset[str]
    by_hand: frozenset[str]


def deserved(assignment: str) -> Deserved:
    """Read the module of `assignment`.

    Raises
    ------
    ModuleNotFoundError
        If nobody has worked out yet what the class deserves.
    ValueError
        If a learner has another number of points than there are functions, or more than a function gives.
    """
    module = import_module(f"{__name__}.{assignment}")
    points = {}
    for learner, earned in module.DESERVED.items():
        for (function, out_of), share in zip(module.POINTS.items(), earned, strict=True):
            if not 0 <= share <= out_of:
                raise ValueError(f"{learner} has {share} points for {function}, expected 0 to {out_of}")
            points[learner, function] = share
    return Deserved(points, tuple(module.POINTS), frozenset(module.DESERVED), frozenset(module.BY_HAND))
