"""Call what a learner wrote, and bring back arrays or a sentence, whatever it does.

This is all that touches the learner's code. It may print, warn, ask, exit, write into its
arguments or return something odd: what leaves this module is plain data that nobody else holds.

It needs NumPy alone, and knows no right value: a grader that keeps learners' code in a sandbox puts
this module beside it.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import io
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bn_reference.checks.spec import Case, Spec, Values

KEPT = 2000
"""How many characters of what a call prints are kept."""


@dataclass(frozen=True)
class Outcome:
    """What one call gave.

    Attributes
    ----------
    values : dict of str to ndarray
        The outputs by name, in copies; empty if there was an error.
    error : str
        Why there are no values, in a sentence.
    unfinished : bool
        The function raised NotImplementedError.
    changed : tuple of str
        Inputs that were not as before when the call returned.
    noise : str
        Warnings, and what was written to standard error.
    seconds : float
        How long the call took.
    gist : str
        The error without its message, which may hold values of the inputs.
    interrupted : bool
        Somebody stopped the call.
    printed : str
        The beginning of what the call printed.
    """

    values: dict[str, np.ndarray]
    error: str = ""
    unfinished: bool = False
    changed: tuple[str, ...] = ()
    noise: str = ""
    seconds: float = 0.0
    gist: str = ""
    interrupted: bool = False
    printed: str = ""


class Refused(Exception):
    """What came back cannot be compared; the message says why, and holds no value."""


class _Beginning(io.StringIO):
    """A stream that keeps only the beginning of what is written, so that a loop cannot fill memory."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, KEPT - self.tell())])
        return len(text)


def call_with_arguments(function: Callable, inputs: Values) -> object:
    """Call `function` with `inputs` by position, whatever the learner named its parameters.

    Parameters
    ----------
    function : callable
    inputs : dict
        In the order of the signature.

    Returns
    -------
    object
        What `function` returns.

    Examples
    --------
    >>> call_with_arguments(lambda a, b: a - b, {"x": 5, "y": 3})
    2
    """
    return function(*inputs.values())


def run(
    spec: Spec, function: Callable, case: Case, clock: Callable[[], float] = time.perf_counter
) -> Outcome:
    """Call `function` on a copy of the case's inputs, and wait until it returns."""
    return measured(spec, case, call(spec, function, shown(spec, case), clock))


def shown(spec: Spec, case: Case) -> dict[str, object]:
    """The inputs that the learner's code may see."""
    return {name: value for name, value in case.inputs.items() if name not in spec.withheld}


def measured(spec: Spec, case: Case, outcome: Outcome) -> Outcome:
    """`outcome` with the outputs of the spec, where they are measured on what came back."""
    if spec.measure is None or not outcome.values:
        return outcome
    try:
        outputs = spec.measure(case.inputs, outcome.values, outcome.seconds)
    except ValueError as problem:  # the arrays do not fit together
        return replace(outcome, values={}, error=f"ValueError: {problem}", gist="ValueError")
    values = {name: np.asarray(value, np.float64) for name, value in zip(spec.outputs, outputs, strict=True)}
    return replace(outcome, values=values)


def call(
    spec: Spec, function: Callable, given: Values, clock: Callable[[], float] = time.perf_counter
) -> Outcome:
    """Use `function` on copies of what is `given`, as `spec` says."""
    inputs = {name: _copy(value) for name, value in given.items()}
    values: dict[str, np.ndarray] = {}
    problem = None
    with _kept_inside() as (caught, stdout, stderr):
        start = clock()
        try:
            returned = spec.call(function, inputs)
            seconds = clock() - start
            values = _name_outputs(spec, returned)
        except BaseException as raised:  # a learner's sys.exit() must not end the notebook
            seconds, problem = clock() - start, raised
    warned = (f"{warning.category.__name__}: {warning.message}" for warning in caught)
    error, gist = _explain(spec, problem, given)
    return Outcome(
        values,
        error,
        isinstance(problem, NotImplementedError),
        tuple(name for name, value in inputs.items() if not _same(value, given[name])),
        "\n".join([*warned, stderr.getvalue()]).strip(),
        seconds,
        gist,
        isinstance(problem, KeyboardInterrupt),
        stdout.getvalue().strip(),
    )


def run_all(spec: Spec, function: Callable, cases: Sequence[Case]) -> list[Outcome]:
    """Call `function` on each case; whoever interrupts one call is spared the others.

    An answer that is elsewhere, as in a sandbox, brings its own way: a method ``try_cases(spec, cases)``.
    """
    if hasattr(function, "try_cases"):
        outcomes = function.try_cases(spec, cases)
        return [measured(spec, case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
    outcomes: list[Outcome] = []
    for case in cases:
        stopped = outcomes and outcomes[-1].interrupted
        outcomes.append(replace(outcomes[-1], seconds=0.0) if stopped else run(spec, function, case))
    return outcomes


@contextlib.contextmanager
def _kept_inside() -> Iterator[tuple[list, io.StringIO, io.StringIO]]:
    """Catch warnings and streams, and answer input() with a refusal."""
    asks, stdout, stderr = builtins.input, _Beginning(), _Beginning()
    builtins.input = _refuse_to_answer
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            warnings.simplefilter("always")
            yield caught, stdout, stderr
    finally:
        builtins.input = asks


def _refuse_to_answer(prompt: object = "") -> str:
    raise Refused("it calls input(), and nobody answers during a check; use the arguments instead")


def _name_outputs(spec, returned) -> dict[str, np.ndarray]:
    names = spec.returned or spec.outputs
    wanted = ", ".join(names)
    if returned is None:
        raise Refused(f"it returned None, expected {wanted}; does it end with a return?")
    if len(names) == 1 and not isinstance(returned, tuple):
        returned = (returned,)
    if not isinstance(returned, tuple | list) or len(returned) != len(names):
        count = len(returned) if isinstance(returned, tuple | list) else 1
        raise Refused(f"it returned {count} value(s), expected {len(names)}: {wanted}")
    return {name: _as_real_array(name, value) for name, value in zip(names, returned, strict=True)}


def _as_real_array(name, value) -> np.ndarray:
    """`value` in a float64 array of its own: numbers, lists, arrays and tensors of real numbers."""
    kind = type(value).__name__
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise Refused(f"{name} is a masked array in which values are masked; return all values")
    torch = sys.modules.get("torch")  # who returns a tensor has imported it
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value
    try:
        array = np.asarray(value)
    except ValueError:
        raise Refused(f"{name} is a {kind} whose rows differ in length, expected an array") from None
    if array.dtype.kind not in "fiub":
        of = f" of dtype {array.dtype}" if isinstance(value, np.ndarray) else ""
        raise Refused(f"{name} is a {kind}{of}, expected an array of numbers")
    return array.astype(np.float64)


def _explain(spec, problem: BaseException | None, given: Values) -> tuple[str, str]:
    """The error in a sentence with the line that raised it, and the same without its message."""
    if problem is None:
        return "", ""
    if isinstance(problem, NotImplementedError):
        says = f"{spec.name} is not written yet"
    elif isinstance(problem, Refused):
        says = str(problem)
    elif isinstance(problem, KeyboardInterrupt):
        says = "it was interrupted before it returned; is there a loop that never ends?"
    elif isinstance(problem, SystemExit):
        says = "it calls exit(), which would end the notebook; use return instead"
    elif isinstance(problem, RecursionError):
        says = "RecursionError: it calls itself without an end"
    else:
        where = _line(problem)
        if isinstance(problem, TypeError) and not where and spec.call is call_with_arguments:
            where = f". It is called with {', '.join(given)}, in this order: its first line has to take them"
        return f"{type(problem).__name__}: {problem}{where}", f"{type(problem).__name__}{where}"
    return says, says


def _line(problem: BaseException) -> str:
    """The learner's last line on the way to the error."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "site-packages" not in frame.filename]
    return f" at the line `{own[-1].line}`" if own and own[-1].line else ""


def _copy(value):
    """`value` for the learner alone, lying in memory as the original does."""
    if not isinstance(value, np.ndarray):
        return copy.deepcopy(value)
    if value.ndim == 0 or value.flags.c_contiguous or value.flags.f_contiguous:
        return value.copy(order="K")
    spaced = np.empty((*value.shape[:-1], 2 * value.shape[-1]), value.dtype)[..., ::2]
    spaced[...] = value
    return spaced


def _same(value, original) -> bool:
    if isinstance(original, list | tuple):
        return len(value) == len(original) and all(map(_same, value, original))
    if isinstance(original, dict):
        return value.keys() == original.keys() and all(_same(value[key], original[key]) for key in original)
    if not isinstance(original, np.ndarray):
        return True
    return value.dtype == original.dtype and (
        np.array_equal(value, original)
        or (value.dtype.kind == "f" and np.array_equal(value, original, equal_nan=True))
    )
