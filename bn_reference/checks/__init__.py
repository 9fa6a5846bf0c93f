"""Checks of the graded functions: what they must do, and what to say when they do not.

``check("batchnorm_forward", batchnorm_forward)`` in a notebook shows a card and gives the
points. Each graded function has one spec, in the module named for its problem set.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache

import numpy as np

from bn_reference.checks.calling import run_all
from bn_reference.checks.catalogue import Catalogue
from bn_reference.checks.judging import judge
from bn_reference.checks.progress import Progress
from bn_reference.checks.report import PartResult, Report
from bn_reference.checks.spec import Case, Spec

__all__ = ["PUBLIC_SEED", "SPECS", "PartResult", "Report", "check", "hint", "report", "salted"]

SPECS = Catalogue()
"""Every graded function of the course, by name."""

PUBLIC_SEED = 1502_03167
"""The seed of the cases that learners see."""

PROGRESS = Progress()
"""Of the learner whose kernel this is."""

_salt: ContextVar[tuple[int, ...]] = ContextVar("salt", default=())


@contextmanager
def salted(salt: bytes) -> Iterator[None]:
    """While it is entered, secret seeds draw other cases than without, and others for each `salt`.

    For graders: with a salt for each learner, what one learner sees of the hidden cases is of no
    use to another. Cases of the public seed stay as learners see them. Nothing has been checked yet
    when it is entered: no report counts what another learner's functions have passed.

    Parameters
    ----------
    salt : bytes

    Returns
    -------
    context manager

    Examples
    --------
    >>> from bn_reference.batchnorm import batchnorm_inference
    >>> with salted(b"a learner"):
    ...     report("batchnorm_inference", batchnorm_inference, seed=1).passed
    True
    """
    global PROGRESS
    token, before = _salt.set(tuple(salt)), PROGRESS
    PROGRESS = Progress()
    try:
        yield
    finally:
        PROGRESS = before
        _salt.reset(token)


def report(name: str, function: Callable, seed: int = PUBLIC_SEED, search: bool = True) -> Report:
    """Try `function` on the cases that `seed` draws.

    Parameters
    ----------
    name : str
        The graded function that it should be: a key of `SPECS`.
    function : callable
        The learner's function.
    seed : int
        Another seed draws other values and other shapes.
    search : bool
        Whether to look for small slips where no named mistake fits.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If there is no graded function of that name.
    TypeError
        If `function` cannot be called.

    Examples
    --------
    >>> def batchnorm_forward(x, gamma, beta, eps):
    ...     raise NotImplementedError
    >>> report("batchnorm_forward", batchnorm_forward).headline
    'batchnorm_forward: not written yet. Replace the line that raises NotImplementedError.'
    """
    if name not in SPECS:
        raise ValueError(f"there is no graded function named {name!r}, expected one of: {', '.join(SPECS)}")
    if not callable(function):
        raise TypeError(f"{name} is of type {type(function).__name__}, expected the function itself")
    spec = SPECS[name]
    cases = _cases(spec, seed, () if seed == PUBLIC_SEED else _salt.get())
    return judge(spec, cases, run_all(spec, function, cases), search)


@lru_cache(maxsize=128)
def _cases(spec: Spec, seed: int, salt: tuple[int, ...]) -> tuple[Case, ...]:
    """The cases that a seed draws: drawn once, for a check is run many times."""
    return tuple(spec.cases(np.random.default_rng([seed, *salt] if salt else seed)))


def check(name: str, function: Callable, points: float = 1.0, seed: int = PUBLIC_SEED) -> float:
    """Show how `function` does, and return the points that it earns.

    In a notebook the report is a card; elsewhere it is printed. The number is what nbgrader
    takes as partial credit when the call is the last line of a test cell.

    A function that never returns is stopped as any cell is, by the stop button; the report then
    says so. When it is graded, the grader's limit of time for a call stops it.

    Parameters
    ----------
    name, function
        As for `report`.
    points : float
        What the cell is worth.
    seed
        As for `report`. What another seed than the public one draws is secret: the report then
        says which parts fail and why, without any value.

    Returns
    -------
    float
        Between 0 and `points`.

    Raises
    ------
    ValueError, TypeError
        As `report` does.

    Examples
    --------
    >>> from bn_reference.batchnorm import batchnorm_inference
    >>> earned = check("batchnorm_inference", batchnorm_inference, points=5)  # doctest: +ELLIPSIS
    batchnorm_inference: ... parts pass, 5 of 5 points. All done!
    ...
    >>> earned
    5.0
    """
    # What a visible check of this function has searched for is not searched for once more.
    searched = seed != PUBLIC_SEED and PROGRESS.has_failed(name)
    verdict = replace(report(name, function, seed, search=not searched), out_of=points)
    if seed == PUBLIC_SEED:
        PROGRESS.note(verdict)
        siblings = SPECS.problem_set(name)
        verdict = replace(verdict, progress=PROGRESS.over(spec.name for spec in siblings))
    else:
        verdict = verdict.without_values()
    try:
        from IPython.display import display
    except ImportError:
        print(verdict)
    else:
        display(verdict)
    return verdict.points(points)


def hint(name: str) -> None:
    """Print the next step of help with a function that its check found wrong.

    The first call says where to look, the next one the idea, the one after it which line of
    the paper or the book to read; then the next part that fails. Checking again starts anew.

    Parameters
    ----------
    name : str
        The function.

    Examples
    --------
    >>> hint("whiten_by_magic")
    Check whiten_by_magic first; then there is something to help with.
    """
    print(PROGRESS.next_step(name))
