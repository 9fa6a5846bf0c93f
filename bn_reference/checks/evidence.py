"""What a report shows of a failure that has no name: the smallest input, and where it went wrong."""

from dataclasses import dataclass

import numpy as np

from bn_reference.checks.spec import Part, Values

SMALL = 64
"""Up to how many numbers an array is shown in full."""

ENOUGH = 6
"""From how many numbers on a plot says more than they do."""


@dataclass(frozen=True)
class Ladder:
    """Steps of help, for one part.

    Attributes
    ----------
    title : str
        The part.
    steps : tuple of (str, str)
        The name of a step and its sentence, the smallest help first.
    """

    title: str
    steps: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, part: Part) -> "Ladder":
        """The ladder of `part`, without the steps that it does not have."""
        steps = (("Where to look", part.nudge), ("The idea", part.hint), ("The line to read", part.source))
        return cls(part.title, tuple((name, sentence) for name, sentence in steps if sentence))


@dataclass(frozen=True)
class Evidence:
    """One output in the smallest case in which it is wrong.

    Attributes
    ----------
    node : str
        The first output, in the order of the graph, that is not what it should be.
    agree : tuple of str
        The outputs before it, which are right.
    where : str
        The name of the case.
    inputs : str
        The arguments of the call, or nothing if they are too large to read.
    expected, got : ndarray
    """

    node: str
    agree: tuple[str, ...]
    where: str
    inputs: str
    expected: np.ndarray
    got: np.ndarray

    @property
    def sentence(self) -> str:
        """Where in the graph the answer and the expectation part."""
        if not self.agree:
            return f"{self.node} is the first result of the graph, and is not as expected."
        right = " and ".join(filter(None, [", ".join(self.agree[:-1]), self.agree[-1]]))
        verb = "is" if len(self.agree) == 1 else "are"
        return f"Your {right} {verb} right. {self.node}, which comes next, is not as expected."

    @property
    def listing(self) -> str:
        """The call, what was expected and what came, as text; nothing if that is too long to read."""
        if not self.inputs or max(self.expected.size, self.got.size) > SMALL:
            return ""
        results = {f"expected {self.node}": self.expected, f"your {self.node}": self.got}
        return "\n".join([self.inputs, *(_named(name, value) for name, value in results.items())])

    @property
    def can_be_drawn(self) -> bool:
        """Are there pairs of numbers, and enough of them?"""
        return (
            self.got.shape == self.expected.shape
            and self.got.size >= ENOUGH
            and bool(np.isfinite(self.got).all() and np.isfinite(self.expected).all())
        )


def as_text(inputs: Values) -> str:
    """`inputs`, each on its own line; nothing if one is too large to read.

    Parameters
    ----------
    inputs : dict

    Returns
    -------
    str

    Examples
    --------
    >>> print(as_text({"x": np.array([[1.0, 2.0], [3.0, 4.5]]), "eps": 0.001}))
    x = [[1.  2. ]
         [3.  4.5]]
    eps = 0.001
    """
    if any(np.size(value) > SMALL for value in inputs.values() if isinstance(value, np.ndarray | list)):
        return ""
    return "\n".join(_named(name, value) for name, value in inputs.items())


def _named(name: str, value) -> str:
    head = f"{name} = "
    if not isinstance(value, np.ndarray):
        return f"{head}{value}"
    return head + np.array2string(value, precision=4, prefix=head)
