"""What comes back from a learner's function, whatever it does?"""

import itertools
import sys

import numpy as np
import pytest

from bn_reference.checks import SPECS
from bn_reference.checks.calling import KEPT, run, run_all
from bn_reference.checks.spec import Case, Node, Part, Spec

DOUBLE = Spec(
    name="double",
    outputs=("y",),
    nodes={"y": Node(lambda i, v: 2.0 * i["x"])},
    reference=lambda x: (2.0 * x,),
    cases=lambda rng: [Case("an array", "typical", {"x": rng.standard_normal((3, 2))})],
    parts=(Part("y", 1, ("y",)),),
)
X = np.array([[1.0, 2.0], [3.0, 4.0]])


def outcome(function, x=X):
    return run(DOUBLE, function, Case("a case", "typical", {"x": x}))


def with_torch(make):
    def function(x):
        torch = pytest.importorskip("torch")
        return make(torch, torch.tensor(2 * x))

    return function


def interrupted(x):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: (2 * x).tolist(), id="nested lists"),
        pytest.param(lambda x: np.asfortranarray(2 * x), id="columns first"),
        pytest.param(lambda x: (2 * x).astype(np.float32), id="float32"),
        pytest.param(lambda x: (2 * x).astype(int), id="integers"),
        pytest.param(lambda x: np.ma.masked_array(2 * x), id="masked array without a mask"),
        pytest.param(np.vectorize(lambda v: 2 * v), id="vectorized"),
        pytest.param(lambda x: [np.float64(2) * row for row in x], id="list of rows"),
        pytest.param(with_torch(lambda torch, y: y), id="tensor"),
        pytest.param(with_torch(lambda torch, y: y.requires_grad_()), id="tensor that requires grad"),
        pytest.param(with_torch(lambda torch, y: y.to(torch.bfloat16)), id="bfloat16 tensor"),
    ],
)
def test_numbers_are_taken_in_any_container(function):
    """Are lists, arrays and tensors of the right numbers the same answer?"""
    result = outcome(function)
    assert result.error == ""
    assert result.values["y"].dtype == np.float64
    np.testing.assert_array_equal(result.values["y"], 2 * X)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_matrix_is_taken_as_the_array_it_holds():
    """Does np.matrix, whose * is a matrix product, stay out of the judge's arithmetic?"""
    assert type(outcome(lambda x: np.matrix(2 * x)).values["y"]) is np.ndarray


@pytest.mark.parametrize(
    ("function", "says"),
    [
        pytest.param(lambda x: np.ma.masked_array(x, x > 1), "y is a masked array in which", id="masked"),
        pytest.param(lambda x: x.astype(object), "y is a ndarray of dtype object", id="objects"),
        pytest.param(lambda x: x + 1j, "y is a ndarray of dtype complex128", id="complex"),
        pytest.param(lambda x: [[1.0], [1.0, 2.0]], "y is a list whose rows differ in length", id="ragged"),
        pytest.param(lambda x: {"y": x}, "y is a dict, expected an array of numbers", id="dict"),
        pytest.param(lambda x: sys.exit(3), "it calls exit(), which would end the notebook", id="exit"),
        pytest.param(interrupted, "it was interrupted before it returned", id="interrupt"),
        pytest.param(lambda x: input("?"), "it calls input(), and nobody answers", id="input"),
    ],
)
def test_what_cannot_be_judged_is_explained(function, says):
    """Does a sentence come back, and the notebook live on?"""
    result = outcome(function)
    assert says in result.error
    assert result.gist == result.error  # it holds no value, so that it may be shown for secret inputs
    assert result.values == {}


@pytest.mark.parametrize("function", [lambda: 1, lambda x, y: x])
def test_changed_parameters_are_explained(function):
    """Does who has changed the first line learn with what the function is called?"""
    says = "It is called with x, in this order: its first line has to take them"
    assert outcome(function).error.startswith("TypeError: ")
    assert outcome(function).error.endswith(says) and outcome(function).gist.endswith(says)


def test_type_error_within_a_function_is_not_blamed_on_its_first_line():
    """Is the line that raised it named in its place?"""
    gist = outcome(lambda x: len(3)).gist
    assert gist.startswith("TypeError at the line `") and "in this order" not in gist


def test_endless_recursion_is_explained():
    """Is a function that calls itself told so, without a thousand lines?"""

    def function(x):
        return function(x)

    assert outcome(function).error == "RecursionError: it calls itself without an end"


def test_gist_of_an_error_leaves_its_message_out():
    """Could an error message carry secret inputs to the feedback?"""

    def function(x):
        raise ValueError(f"x is {x.tolist()}")

    result = outcome(function)
    assert "3.0" in result.error
    assert result.gist == 'ValueError at the line `raise ValueError(f"x is {x.tolist()}")`'


def test_printing_is_kept_up_to_a_limit(capsys):
    """Does a print in a loop neither fill the page nor the memory?"""

    def function(x):
        for _ in range(10_000):
            print("debugging")
        return 2 * x

    assert outcome(function).printed.startswith("debugging\ndebugging")
    assert len(outcome(function).printed) <= KEPT
    assert capsys.readouterr().out == ""


def test_outputs_are_copies():
    """Can a function that uses the same array again change what it returned before?"""
    kept = np.zeros_like(X)

    def function(x):
        kept[...] = kept + 1
        return kept

    first = outcome(function)
    outcome(function)
    np.testing.assert_array_equal(first.values["y"], 1.0)


def test_returning_the_input_itself_is_no_change():
    """Is an output that is the very argument fine, as long as nothing wrote into it?"""
    assert outcome(lambda x: x).changed == ()


def test_input_with_nan_is_unchanged():
    """Does NaN, which is unequal to itself, count as unchanged?"""
    assert outcome(lambda x: x, np.array([np.nan, 1.0])).changed == ()


def test_lists_are_copied_and_watched():
    """Is a list of arrays safe from the function, and a change in it seen?"""
    weights = [X.copy(), X.copy()]

    def function(x):
        x[1] *= 2
        return x[0]

    assert outcome(function, weights).changed == ("x",)
    np.testing.assert_array_equal(weights[1], X)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(X.T, id="transposed"),
        pytest.param(np.arange(12.0).reshape(3, 4)[:, ::2], id="every other column"),
        pytest.param(np.arange(6), id="integers"),
        pytest.param(np.float32(X), id="float32"),
    ],
)
def test_arguments_keep_dtype_and_layout(x):
    """Does the function get what the case describes, and not a tidier copy?"""
    seen = []
    outcome(lambda x: seen.append((x.dtype, x.flags.c_contiguous, x.flags.f_contiguous)), x)
    assert seen == [(x.dtype, x.flags.c_contiguous, x.flags.f_contiguous)]


def test_seconds_are_those_of_the_call():
    """Is a call timed by the clock that it is given?"""
    case = Case("a case", "typical", {"x": X})
    assert run(DOUBLE, lambda x: x, case, clock=itertools.count(5.0, 7.0).__next__).seconds == 7.0


def test_interrupting_one_call_spares_the_others():
    """Does one press of the stop button end the whole check?"""
    calls = []

    def function(*args):
        calls.append(args)
        raise KeyboardInterrupt

    spec = SPECS["batchnorm_forward"]
    cases = spec.cases(np.random.default_rng(0))
    outcomes = run_all(spec, function, cases)
    assert len(calls) == 1
    assert len(outcomes) == len(cases)
    assert all(result.interrupted for result in outcomes)
