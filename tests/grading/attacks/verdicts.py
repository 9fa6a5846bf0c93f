"""Attacks on the verdict: what runs in the notebook tries to decide how it is judged."""

from tests.grading.attacks.submission import Submission, attack

GIVES_ALL = """
def give_all(*args, points=1.0, **kwargs):
    return points
"""


@attack()
def patched_numpy_testing(submission: Submission):
    """Makes every comparison of NumPy succeed."""
    submission.own("""
        import numpy as np, numpy.testing
        for name in dir(numpy.testing):
            if name.startswith("assert"):
                setattr(numpy.testing, name, lambda *args, **kwargs: None)
        np.allclose = np.array_equal = lambda *args, **kwargs: True
        np.isclose = lambda a, b, **kwargs: np.ones_like(a, bool)
    """)


@attack(flag="builtins", spoils=True)
def patched_builtins(submission: Submission):
    """Makes every number as small and every list as good as it takes."""
    submission.own("""
        import builtins
        builtins.abs = lambda value: 0
        builtins.all = lambda values: True
        builtins.max = lambda *values, **kwargs: 0
        builtins.isinstance = lambda value, kind: True
    """)


@attack()
def replaced_check(submission: Submission):
    """Defines a check of its own that gives all points."""
    submission.own(
        GIVES_ALL + "\ncheck = give_all\nimport bn_reference.checks\nbn_reference.checks.check = give_all"
    )


@attack(spoils=True)
def replaced_modules(submission: Submission):
    """Replaces what calls the functions inside, in the table of modules."""
    submission.own("""
        import sys
        import bn_reference.checks.calling as calling
        class Everything(dict):
            def __getattr__(self, name):
                return lambda *args, **kwargs: Everything(points=5.0)
        calling.call = calling.run = calling.run_all = lambda *args, **kwargs: Everything()
        sys.modules["bn_reference.checks.calling"] = Everything()
    """)


@attack()
def skip_execution_tag(submission: Submission):
    """Tags the tests so that they are not run, and brings their outputs along."""
    for cell in submission.notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.startswith(("check_", "hidden_")):
            cell.metadata["tags"] = ["skip-execution", "raises-exception", "nbgrader-skip", "remove-cell"]
            cell.outputs = [
                {
                    "output_type": "execute_result",
                    "data": {"text/plain": str(cell.metadata.nbgrader.points)},
                    "metadata": {},
                    "execution_count": 1,
                }
            ]


@attack(flag="displayhook")
def called_displayhook(submission: Submission):
    """Shows a number as the result, before and after every cell, and from a function."""
    submission.own("""
        import sys
        from IPython import get_ipython
        shell = get_ipython()
        sys.displayhook(5.0)
        shell.displayhook(5.0)
        shell.events.register("pre_run_cell", lambda *args: sys.displayhook(5.0))
        shell.events.register("post_run_cell", lambda *args: sys.displayhook(5.0))
    """)
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            import sys
            sys.displayhook(5.0)
            print(5.0)
            return 5.0
    """,
    )


@attack()
def returned_number(submission: Submission):
    """Returns the number of points."""
    submission.answer("batchnorm_forward", "def batchnorm_forward(*args):\n    return 4.0, 4.0, 4.0, 4.0")


@attack()
def returned_nan(submission: Submission):
    """Returns NaN, which differs from nothing by more than a tolerance."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            nothing = np.nan * x
            return nothing, nothing, nothing[0], nothing[0]
    """,
    )


@attack()
def returned_text(submission: Submission):
    """Returns the report that it would like to get."""
    text = "batchnorm_forward: all parts pass, 5 of 5 points"
    submission.answer(
        "batchnorm_forward", f"def batchnorm_forward(*args):\n    print({text!r})\n    return {text!r}"
    )


@attack(flag="__array__")
def returned_object(submission: Submission):
    """Returns an object that is equal to everything, and becomes whatever it is compared with."""
    submission.answer(
        "batchnorm_forward",
        """
        class Right:
            shape = (4, 5)
            def __array__(self, dtype=None, copy=None): return self
            def __eq__(self, other): return True
            def __float__(self): return 5.0
            def __sub__(self, other): return 0.0
            __rsub__ = __abs__ = __sub__
            def __le__(self, other): return True
            __lt__ = __ge__ = __gt__ = __le__
            def __array_ufunc__(self, *args, **kwargs): return True
            def __array_function__(self, *args, **kwargs): return True
            def __getattr__(self, name): return self
            def __call__(self, *args, **kwargs): return self
        def batchnorm_forward(*args):
            return Right(), Right(), Right(), Right()
    """,
    )


@attack(flag="_getframe")
def frame_walker(submission: Submission):
    """Looks through the frames of its callers for arrays of the right shapes, and returns them."""
    submission.answer(
        "batchnorm_forward",
        """
        import sys
        class Walker(np.ndarray):
            def __array_finalize__(self, made_from):
                find()
        def find():
            frame, found = sys._getframe(), []
            while frame:
                for name, value in {**frame.f_locals, **frame.f_globals}.items():
                    if any(word in name for word in ("expected", "reference", "tolerance", "seed")):
                        print("LE" + "AK", name, value)
                        found.append(value)
                frame = frame.f_back
            return found
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            found = find()
            return tuple(found[:4]) if found else (x.view(Walker), x, x[0], x[0])
    """,
    )


@attack()
def array_subclass(submission: Submission):
    """Returns arrays of a kind of its own, whose comparisons are always good."""
    submission.answer(
        "batchnorm_forward",
        """
        class Good(np.ndarray):
            def __array_ufunc__(self, *args, **kwargs): return np.zeros(self.shape)
            def __array_function__(self, *args, **kwargs): return np.zeros(self.shape)
            def tobytes(self, *args): return bytes(8 * self.size)
            def astype(self, *args, **kwargs): return self
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            good = x.view(Good)
            return good, good, good[0], good[0]
    """,
    )


@attack()
def transformed_input(submission: Submission):
    """Has every later cell rewritten before it runs, as text and as a syntax tree."""
    submission.own(
        """
        import ast
        shell = get_ipython()
        class Five(ast.NodeTransformer):
            def visit_Call(self, node):
                return ast.copy_location(ast.Constant(5.0), node)
        def five(lines):
            return ["5.0"] if any("check(" in line for line in lines) else lines
        shell.input_transformers_cleanup.append(five)
        shell.input_transformers_post.append(five)
        shell.ast_transformers.append(Five())
    """,
        before="check_update_running_statistics",
    )


@attack()
def replaced_execution(submission: Submission):
    """Replaces what runs cells, in the kernel and in the shell."""
    submission.own("""
        shell = get_ipython()
        def nothing(*args, **kwargs):
            return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
        for target in (shell, type(shell), getattr(shell, "kernel", shell)):
            for name in ("do_execute", "execute_request"):
                setattr(target, name, nothing)
        type(shell)._showtraceback = nothing
        type(shell).showtraceback = nothing
    """)


@attack()
def behaves_when_watched(submission: Submission):
    """Is right for the cases that learners see, which it knows by heart, and wrong for all others."""
    submission.answer(
        "batchnorm_forward",
        """
        seen = []
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            seen.append(x)
            answers = {}  # by the inputs that the visible check shows
            if x.tobytes() in answers:
                return answers[x.tobytes()]
            return np.zeros_like(x), np.zeros_like(x), x[0] * 0, x[0] * 0
    """,
    )


@attack(update_running_statistics=3 * 6 / 7)
def changes_its_inputs(submission: Submission):
    """Overwrites its inputs with what it returns, to be compared with itself."""
    submission.answer(
        "update_running_statistics",
        """
        def update_running_statistics(running_mean, running_var, mean, var, m, momentum=0.1):
            running_mean[...] = (1 - momentum) * running_mean + momentum * mean
            running_var[...] = (1 - momentum) * running_var + momentum * var * m / (m - 1)
            return running_mean, running_var
    """,
    )
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            x[...] = gamma[...] = beta[...] = 0
            return x, x, gamma, gamma
    """,
    )
