"""Which problem set holds which graded function.

A problem set is imported when one of its functions is first asked for, those for torch last: who
does not need torch does not wait for it, or has not even installed it.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from bn_reference.checks.spec import Spec

NUMPY_SETS = ("ps1_whitening", "ps2_batchnorm", "ps3_backprop", "ps5_experiments")
TORCH_SETS = ("ps4_torch",)


class Catalogue(Mapping[str, Spec]):
    """The specs of the course by the name of the function, problem set after problem set."""

    def problem_sets(self) -> dict[str, tuple[Spec, ...]]:
        """Every problem set by its name, in the order of the course."""
        return {name: _specs(name) for name in sorted(_installed())}

    def problem_set(self, function: str) -> tuple[Spec, ...]:
        """Everything in the problem set of `function`, in the order of its parts.

        Raises
        ------
        KeyError
            If there is no graded function of that name.
        """
        for specs in map(_specs, _installed()):
            if function in (spec.name for spec in specs):
                return specs
        raise KeyError(function)

    def __getitem__(self, function: str) -> Spec:
        """The spec of `function`."""
        return next(spec for spec in self.problem_set(function) if spec.name == function)

    def __iter__(self) -> Iterator[str]:
        """The names of all graded functions."""
        return (spec.name for specs in self.problem_sets().values() for spec in specs)

    def __len__(self) -> int:
        """How many graded functions there are."""
        return sum(1 for _ in self)


@cache
def _specs(problem_set: str) -> tuple[Spec, ...]:
    return import_module(f"bn_reference.checks.{problem_set}").SPECS


@cache
def _installed() -> tuple[str, ...]:
    return NUMPY_SETS + (TORCH_SETS if find_spec("torch") else ())
