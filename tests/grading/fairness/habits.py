"""Ways of writing a right notebook, each a function that changes one in which all is right."""

from collections.abc import Callable
from textwrap import dedent

import nbformat
from nbformat import NotebookNode

HABITS: dict[str, Callable[[NotebookNode], None]] = {}
"""All of them, by name."""


def habit(change: Callable[[NotebookNode], None]) -> Callable[[NotebookNode], None]:
    """Enter a function into `HABITS`."""
    HABITS[change.__name__] = change
    return change


def answer(notebook: NotebookNode, grade_id: str, source: str) -> None:
    """Write another answer."""
    _cell(notebook, grade_id).source = dedent(source).strip()


def own(notebook: NotebookNode, source: str, before: str = "batchnorm_forward") -> None:
    """Add a cell."""
    place = notebook.cells.index(_cell(notebook, before))
    notebook.cells.insert(place, nbformat.v4.new_code_cell(dedent(source).strip()))


def _cell(notebook, grade_id):
    cells = (cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id)
    return next(cells)


@habit
def writes_to_stderr(notebook):
    """Logs to the error stream, by Python, by the logging module and past both."""
    answer(
        notebook,
        "batchnorm_forward",
        """
        import logging, os, sys
        print("loading", file=sys.stderr)
        logging.getLogger().error("not an error")
        os.write(2, b"from below")
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            print("called", file=sys.stderr)
            logging.warning("called")
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )


@habit
def warns_and_prints(notebook):
    """Warns and prints, and divides by zero on the way."""
    answer(
        notebook,
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            import warnings
            warnings.warn("still the old version", DeprecationWarning)
            np.log(np.zeros(1))
            print("x", x, "\\N{GREEK SMALL LETTER GAMMA}", gamma)
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )


@habit
def makes_warnings_errors(notebook):
    """Turns warnings into errors, and sets NumPy to raise."""
    own(notebook, "import warnings\nwarnings.simplefilter('error')\nnp.seterr(all='raise')")


@habit
def seeds_the_global_generator(notebook):
    """Seeds and uses the global random generators."""
    own(notebook, "import random\nnp.random.seed(0)\nrandom.seed(0)")
    answer(
        notebook,
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            np.random.seed(1)
            np.random.rand(3)
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )


@habit
def has_helpers_in_own_cells(notebook):
    """Defines what its answers use in cells of its own, before and between the exercise's."""
    own(notebook, "def normalise(x, eps):\n    return (x - x.mean(0)) / np.sqrt(x.var(0) + eps)")
    answer(
        notebook,
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            x_hat = normalise(x, eps)
            return gamma * x_hat + beta, x_hat, x.mean(0), x.var(0)
    """,
    )


@habit
def answers_in_a_cell_below(notebook):
    """Has its helper in a cell after the answer and before the test."""
    answer(notebook, "batchnorm_forward", "def batchnorm_forward(*args):\n    return forward(*args)")
    own(
        notebook,
        """
        def forward(x, gamma, beta, eps=1e-5):
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
        before="check_batchnorm_forward",
    )


@habit
def uses_magics(notebook):
    """Times, lists files, asks for help, and sets the environment, as notebooks can."""
    own(notebook, "%timeit -n 1 -r 1 sum(range(10))\n%matplotlib inline\n%env SOME=thing\n%who\n%pwd")
    own(notebook, "%%time\nx = 1")
    own(notebook, "!ls -la\nfiles = !ls\n!echo $SOME\n%cd /tmp\n!pip install numpy")
    own(notebook, "np.mean?")
    own(notebook, "%load_ext autoreload\n%autoreload 2\n%precision 3")
    own(notebook, "%%bash\necho hello > there.txt\ncat there.txt")
    own(notebook, "%%writefile mine.py\nvalue = 5\n")
    own(notebook, "from mine import value\nassert value == 5")


@habit
def leaves_a_failing_cell(notebook):
    """Leaves trials of its own that fail, among them one that cannot be parsed."""
    own(notebook, "1 / 0")
    own(notebook, "this is not Python")
    own(notebook, "assert False, 'try later'", before="check_batchnorm_forward")


@habit
def is_slow_within_the_limit(notebook):
    """Takes a good part of the time that a cell and a call may take."""
    own(notebook, "import time\ntime.sleep(1)")
    answer(
        notebook,
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            time.sleep(0.05)
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )


@habit
def is_written_in_a_modern_style(notebook):
    """Uses annotations, a data class, lambda, match, a generator and a walrus."""
    answer(
        notebook,
        "batchnorm_forward",
        """
        from __future__ import annotations
        from dataclasses import dataclass, astuple
        from typing import NamedTuple

        class Result(NamedTuple):
            y: np.ndarray
            x_hat: np.ndarray
            mean: np.ndarray
            var: np.ndarray

        @dataclass(frozen=True)
        class Scale:
            gamma: np.ndarray
            beta: np.ndarray

            def __call__(self, x_hat: np.ndarray) -> np.ndarray:
                return self.gamma * x_hat + self.beta

        batchnorm_forward = lambda x, gamma, beta, eps=1e-5: Result(
            Scale(gamma, beta)(x_hat := (x - (mean := x.mean(0))) / np.sqrt((var := x.var(0)) + eps)), x_hat, mean, var
        )
    """,
    )


@habit
def is_a_callable_object(notebook):
    """Answers with an object that can be called, and with a partial function."""
    answer(
        notebook,
        "batchnorm_forward",
        """
        from functools import partial, wraps
        class Forward:
            def __init__(self):
                self.calls = 0
            def __call__(self, x, gamma, beta, eps=1e-5):
                self.calls += 1
                mean, var = x.mean(0), x.var(0)
                x_hat = (x - mean) / np.sqrt(var + eps)
                return [gamma * x_hat + beta, x_hat, mean, var]
        batchnorm_forward = partial(Forward())
    """,
    )


@habit
def keeps_global_state(notebook):
    """Counts calls and keeps what it has computed in global variables."""
    answer(
        notebook,
        "batchnorm_forward",
        """
        calls, cache = 0, {}
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            global calls
            calls += 1
            cache["mean"], cache["var"] = x.mean(0), x.var(0)
            x_hat = (x - cache["mean"]) / np.sqrt(cache["var"] + eps)
            return gamma * x_hat + beta, x_hat, cache["mean"], cache["var"]
    """,
    )


@habit
def awaits(notebook):
    """Awaits at the top of a cell, and runs a loop in the function."""
    own(notebook, "import asyncio\nawait asyncio.sleep(0)\nasync def mean_of(x):\n    return x.mean(0)")
    answer(
        notebook,
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            loop = asyncio.new_event_loop()
            mean = loop.run_until_complete(mean_of(x))
            loop.close()
            var = x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )


@habit
def uses_threads_and_processes(notebook):
    """Has a pool of threads, and starts a process."""
    own(
        notebook,
        """
        import subprocess, sys
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        list(pool.map(abs, range(4)))
        subprocess.run([sys.executable, "-c", "print(1)"], check=True)
    """,
    )


@habit
def draws_figures(notebook):
    """Draws with Matplotlib, and leaves figures open."""
    own(
        notebook,
        """
        import matplotlib.pyplot as plt
        fig, ax = plt.subplots()
        ax.plot([1, 2, 3], label=r"$\\gamma$")
        plt.show()
    """,
    )
    answer(
        notebook,
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            plt.hist(x.ravel())
            plt.show()
            mean, var = x.mean(0), x.var(0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta, x_hat, mean, var
    """,
    )


@habit
def asks_for_input(notebook):
    """Asks for input in a cell of its own, to which nobody answers."""
    own(notebook, "name = input('Your name? ')")


@habit
def imports_everything(notebook):
    """Imports all names of NumPy, some of which hide Python's own."""
    own(notebook, "from numpy import *\nfrom math import *")


@habit
def shadows_names(notebook):
    """Uses names of its own that the tests use for something else."""
    own(
        notebook, "np, check_points, points, seed = np, 5, 0, 0\nlist_of_things = [1, 2]\nsum = 5\nlist = [1]"
    )


@habit
def returns_other_kinds(notebook):
    """Returns lists and single precision's wider kin, where arrays are meant."""
    answer(
        notebook,
        "average_variances",
        """
        def average_variances(x, m):
            k = len(x) // m
            batches = x[: k * m].reshape(k, m, -1)
            return batches.var(axis=1).mean(axis=0).tolist(), tuple(batches.var(axis=1, ddof=1).mean(axis=0))
    """,
    )


@habit
def runs_the_tests_itself(notebook):
    """Calls the checks and asks for hints in cells of its own, and writes tests with numpy.testing."""
    own(
        notebook,
        """
        from bn_reference.checks import check, hint
        check("update_running_statistics", update_running_statistics)
        hint("update_running_statistics")
        np.testing.assert_allclose(1.0, 1.0)
    """,
        before="batchnorm_inference",
    )


@habit
def has_much_output(notebook):
    """Prints more than anybody reads."""
    own(notebook, "for number in range(20_000):\n    print(number, 'x' * 50)")


@habit
def ends_its_own_session(notebook):
    """Has a cell that leaves Python, as one writes to keep later cells from running."""
    own(notebook, "exit()")
    own(notebook, "import sys\nsys.exit('stop here')")


@habit
def writes_files(notebook):
    """Saves its results and reads them again."""
    own(
        notebook,
        """
        np.save("results.npy", np.arange(5))
        assert np.load("results.npy").sum() == 10
        import pathlib, tempfile
        pathlib.Path("out").mkdir()
        pathlib.Path("out/log.txt").write_text("done")
        tempfile.NamedTemporaryFile().write(b"x")
    """,
    )
