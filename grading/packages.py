"""Which installed packages a submission may import, and where their files are."""

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


class PackageMissing(Exception):
    """A package that submissions should have is not installed."""


def with_dependencies(names: Iterable[str]) -> list[Distribution]:
    """The distributions of these names, and all that they need, each once.

    Parameters
    ----------
    names : iterable of str
        Names as pip knows them.

    Raises
    ------
    PackageMissing
        If one of `names` is not installed. What an installed one asks for and has not got is left
        out: it does without.

    Examples
    --------
    >>> "numpy" in [each.name for each in with_dependencies(["matplotlib"])]
    True
    """
    found: dict[str, Distribution] = {}
    todo = []
    for name in names:
        try:
            todo.append(distribution(name))
        except PackageNotFoundError:
            raise PackageMissing(
                f"{name} is not installed here; install it, or take it from the list"
            ) from None
    while todo:
        this = todo.pop()
        if canonicalize_name(this.name) in found:
            continue
        found[canonicalize_name(this.name)] = this
        todo += _needed(this)
    return list(found.values())


def _needed(this: Distribution) -> Iterator[Distribution]:
    for text in this.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            try:
                yield distribution(requirement.name)
            except PackageNotFoundError:
                continue


def top_level_files(distributions: Iterable[Distribution]) -> dict[str, Path]:
    """The files and folders that make up the packages, by the name that they have beside each other."""
    places = {}
    for each in distributions:
        for file in each.files or ():
            name = file.parts[0]
            if name not in ("..", "__pycache__") and not name.endswith(".pth"):
                places[name] = Path(each.locate_file(name))
    return places


def interpreter_folders() -> list[Path]:
    """Where Python itself lives, with its standard library: not its installed packages."""
    return sorted({Path(sys.base_prefix).resolve(), Path(sys.base_exec_prefix).resolve()})
