"""What a course sets in its ``nbgrader_config.py``, under ``c.TrustedGrader``."""

import hashlib
import hmac
import importlib
import os
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from traitlets import Bool, Dict, Float, Integer, List, Unicode
from traitlets.config import Configurable

from grading.marking import Times
from grading.sandbox import Limits, Recipe

VARIANTS = 8
"""How many sets of hidden cases there are of each assignment."""


@dataclass(frozen=True)
class Rules:
    """How submissions of one assignment are run: plain data, which can travel to another machine.

    Attributes
    ----------
    recipe : Recipe
    times : Times
    tests_run_in : str
        The name of a function that takes a salt and gives a context for the tests; empty for none.
    suspicious : tuple of (str, str)
        Names that learners' code has no reason to use, and what to say of each.
    """

    recipe: Recipe = field(default_factory=Recipe)
    times: Times = field(default_factory=Times)
    tests_run_in: str = ""
    suspicious: tuple[tuple[str, str], ...] = ()

    def context(self, salt: bytes) -> Callable[[], AbstractContextManager]:
        """What the tests of a submission run in."""
        if not self.tests_run_in:
            return nullcontext
        module, _, name = self.tests_run_in.rpartition(".")
        return partial(getattr(importlib.import_module(module), name), salt)


class TrustedGrader(Configurable):
    """The traits. Each that lists something for an assignment adds to what all assignments have."""

    packages = List(Unicode(), ["numpy"], help="Packages that submissions may import, by pip's names.").tag(
        config=True
    )
    preload = List(Unicode(), ["numpy"], help="Modules that are imported once, before submissions run.").tag(
        config=True
    )
    warm_up = List(Unicode(), help="Statements that are run once, before submissions run.").tag(config=True)
    modules = Dict(
        help="Modules of the course that submissions may import: the name inside, the module that is taken. "
        "They are imported once, as those of preload are."
    ).tag(config=True)
    for_assignment = Dict(
        help="By assignment, a dictionary with more packages, preload, warm_up, modules or suspicious."
    ).tag(config=True)
    suspicious = Dict(
        help="Names in learners' code that a person should look at, and why. They cost no points."
    ).tag(config=True)
    tests_run_in = Unicode(
        help="A function, as module.name, that takes a submission's salt and gives a context for tests."
    ).tag(config=True)
    secret_file = Unicode("grading_secret", help="Where the key to the salts is kept; made if missing.").tag(
        config=True
    )
    cell_seconds = Float(60.0, help="The longest that a cell may take.").tag(config=True)
    call_seconds = Float(60.0, help="The longest that one call of a function by a test may take.").tag(
        config=True
    )
    submission_seconds = Float(600.0, help="The longest that a submission may take.").tag(config=True)
    memory = Integer(2 << 30, help="Bytes of memory that a submission may use.").tag(config=True)
    unsafe_no_sandbox = Bool(False, help="Run learners' code with your own rights.").tag(config=True)

    def rules(self, assignment: str) -> Rules:
        """How to run the submissions of `assignment`."""
        more = self.for_assignment.get(assignment, {})
        recipe = Recipe(
            packages=(*self.packages, *more.get("packages", ())),
            preload=(*self.preload, *more.get("preload", ())),
            warm_up=(*self.warm_up, *more.get("warm_up", ())),
            modules=tuple(sorted((dict(self.modules) | more.get("modules", {})).items())),
            limits=Limits(memory=self.memory),
            isolated=not self.unsafe_no_sandbox,
        )
        times = Times(self.cell_seconds, self.call_seconds, self.submission_seconds)
        suspicious = tuple((dict(self.suspicious) | dict(more.get("suspicious", {}))).items())
        return Rules(recipe, times, self.tests_run_in, suspicious)

    def salt(self, root: str, assignment: str, student: str) -> bytes:
        """Which of the hidden cases this student's submission is tried on: the same each time.

        There are `VARIANTS` sets of them, so that what is right for a case need not be worked out
        anew for each student.

        Parameters
        ----------
        root : str
            The course's folder.
        assignment, student : str
        """
        path = Path(root) / self.secret_file
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        key = bytes.fromhex(path.read_text().strip())
        variant = hmac.digest(key, f"{assignment}/{student}".encode(), hashlib.sha256)[0] % VARIANTS
        return hmac.digest(key, f"{assignment}/{variant}".encode(), hashlib.sha256)[:16]
