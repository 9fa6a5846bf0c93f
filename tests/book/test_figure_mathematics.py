"""Do the interactive figures compute what the reference computes?

Their functions run in a real browser, with numbers from here.
"""

import numpy as np
import pytest

from bn_reference import whitening
from bn_reference.batchnorm import (
    batchnorm_backward_staged,
    batchnorm_forward,
    batchnorm_inference,
    update_running_statistics,
)
from tests.course import ROOT
from tests.tolerances import assert_close


@pytest.fixture(scope="module")
def compute(browser, served):
    """Call a function of a module of the figures, with numbers; get numbers."""
    with served(ROOT / "book/_static") as address:
        page = browser.new_page()
        page.goto(f"{address}/figures/mathematics.js")

        def call(module, name, *arguments):
            return page.evaluate(
                "async ([address, path, args]) => {"
                "  let found = await import(address);"
                "  for (const name of path.split('.')) found = found[name];"
                "  return found(...args);"
                "}",
                [f"{address}/figures/{module}.js", name, list(arguments)],
            )

        yield call
        page.close()


def clouds():
    """Clouds of two features: tilted either way, along either axis, flat and far away."""
    rng = np.random.default_rng(0)
    shapes = {
        "tilted": [[3.0, 0.0], [0.8, 0.6]],
        "tilted the other way": [[1.0, 0.0], [-2.0, 0.5]],
        "taller than wide": [[0.5, 0.0], [0.1, 4.0]],
        "wider than tall": [[4.0, 0.1], [0.0, 0.5]],
        "nearly a line": [[1.0, 0.0], [1.0, 0.01]],
    }
    for name, mixing in shapes.items():
        yield pytest.param(rng.standard_normal((40, 2)) @ np.array(mixing).T + [4.0, -1.0], id=name)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
def test_forward_pass_is_algorithm_1(compute, eps):
    """Is every node of the forward graph the reference's?"""
    x = np.random.default_rng(1).normal(3, 2, 7)
    ours = compute("mathematics", "batchnormForward", x.tolist(), -1.5, 0.25, eps)

    y, cache = batchnorm_forward(x[:, None], np.array([-1.5]), np.array([0.25]), eps)
    assert_close(np.array(ours["y"]), y[:, 0])
    for name in ("mean", "var", "std"):
        assert_close(np.array([ours[name]]), getattr(cache, name))
    for name in ("centered", "x_hat"):
        assert_close(np.array(ours[name]), getattr(cache, name)[:, 0])
    assert_close(np.array(ours["squared"]), cache.centered[:, 0] ** 2)


@pytest.mark.parametrize("m", [2, 4, 9])
def test_backward_pass_is_the_reference_at_every_node(compute, m):
    """Is the gradient at each node that of the staged backward pass, for a random cotangent?"""
    rng = np.random.default_rng(m)
    x, dout = rng.normal(3, 2, m), rng.standard_normal(m)
    forward = compute("mathematics", "batchnormForward", x.tolist(), 1.5, 0.5, 1e-5)
    ours = compute("mathematics", "batchnormBackward", dout.tolist(), forward, 1.5)

    _, cache = batchnorm_forward(x[:, None], np.array([1.5]), np.array([0.5]))
    stages = batchnorm_backward_staged(dout[:, None], cache)
    scale = max(1.0, float(np.abs(dout).sum()))
    assert set(ours) == set(vars(stages))
    for name, theirs in vars(stages).items():
        assert_close(np.ravel(ours[name]), np.ravel(theirs), np.float64, scale=scale)


def test_inference_and_running_statistics_follow_the_conventions(compute):
    """Does the unbiased variance enter, is momentum the new value's weight, is eps in the root?"""
    x = np.random.default_rng(2).normal(5, 2, 8)
    ours = compute("mathematics", "updateRunningStatistics", 1.0, 2.0, x.mean(), x.var(), 8, 0.2)
    one, two = np.array([1.0]), np.array([2.0])
    theirs = update_running_statistics(one, two, x.mean(keepdims=True), x.var(keepdims=True), 8, 0.2)
    assert_close(np.array(ours), np.concatenate(theirs))

    ours = compute("mathematics", "batchnormInference", x.tolist(), 2.0, 1.0, 5.0, 4.0, 0.1)
    theirs = batchnorm_inference(x[:, None], two, one, np.array([5.0]), np.array([4.0]), 0.1)
    assert_close(np.array(ours), theirs[:, 0])


@pytest.mark.parametrize("x", list(clouds()))
def test_closed_forms_of_two_by_two_matrices_are_right(compute, x):
    """Are covariance, eigenvalues and Cholesky factor those of NumPy?"""
    sigma = whitening.covariance(x)
    # The differences from the mean cancel, and so do the products in the determinant.
    condition = float(np.linalg.cond(sigma)) + 100
    assert_close(np.array(compute("mathematics", "covariance", x.tolist())), sigma, condition=condition)
    found = compute("mathematics", "eigen", sigma.tolist())
    u = np.array(found["u"])
    assert_close(np.array(found["lam"]), np.linalg.eigvalsh(sigma)[::-1])
    assert_close(u.T @ u, np.eye(2))
    assert_close(sigma @ u, u * found["lam"])
    lower = np.array(compute("mathematics", "cholesky", sigma.tolist()))
    assert_close(lower, np.linalg.cholesky(sigma), condition=condition)


@pytest.mark.parametrize("x", list(clouds()))
@pytest.mark.parametrize("name", ["PCA", "ZCA", "Cholesky", "BN"])
def test_whitened_points_are_those_of_the_reference(compute, x, name):
    """Does each method send the points where the reference sends them, signs included?"""
    sigma = compute("mathematics", "covariance", x.tolist())
    matrix = compute("mathematics", f"MATRICES.{name}", sigma)
    ours = np.array(compute("mathematics", "transform", x.tolist(), matrix))

    theirs = {
        "PCA": lambda: whitening.pca_whitening(x)(x),
        "ZCA": lambda: whitening.zca_whitening(x)(x),
        "Cholesky": lambda: whitening.cholesky_whitening(x)(x),
        "BN": lambda: whitening.standardize(x),
    }[name]()
    assert_close(ours, theirs, condition=float(np.linalg.cond(sigma)) + 100)


def test_cloud_is_white_before_it_is_shaped(compute):
    """Has it mean 0 and covariance I, so that the rings sit where the ellipse is?"""
    points = np.array(compute("mathematics", "whitePoints", 1, 90))
    assert_close(points.mean(axis=0), np.zeros(2), scale=10)
    assert_close(whitening.covariance(points), np.eye(2), condition=10)


@pytest.mark.parametrize("form", ["centred", "standardised", "whitened", "whitened by Cholesky"])
def test_descent_is_that_of_the_mean_squared_error(compute, form):
    """Does the walk equal gradient descent on the errors of data, normalised by the reference?"""
    white = np.array(compute("mathematics", "whitePoints", 4, 50))
    sigma = np.array([[6.25, 2.0], [2.0, 1.0]])
    x = white @ np.linalg.cholesky(sigma).T
    inputs, name = {
        "centred": (x, None),
        "standardised": (whitening.standardize(x), "BN"),
        "whitened": (whitening.zca_whitening(x)(x), "ZCA"),
        "whitened by Cholesky": (whitening.cholesky_whitening(x)(x), "Cholesky"),  # not symmetric
    }[form]
    matrix = compute("mathematics", f"MATRICES.{name}", sigma.tolist()) if name else np.eye(2).tolist()
    ours = compute("descent", "problem", sigma.tolist(), matrix, 0.7)

    hessian = 2 * inputs.T @ inputs / len(x)
    target = x @ [1.0, -2.0]
    weights, rate = np.zeros(2), 0.7 / np.linalg.eigvalsh(hessian)[-1]
    path, losses = [], []
    for _ in ours["path"]:
        errors = inputs @ weights - target
        path.append(weights)
        losses.append(np.mean(errors**2))
        weights = weights - rate * 2 * inputs.T @ errors / len(x)
    condition = 10 * float(np.linalg.cond(sigma))
    assert_close(np.array(ours["path"]), path, np.float64, condition=condition)
    assert_close(np.array(ours["losses"]), losses, np.float64, condition=condition)
    assert ours["condition"] == pytest.approx(np.linalg.cond(hessian))


@pytest.mark.parametrize("shifted", [False, True], ids=["steady", "shifted"])
def test_running_statistics_and_gap_are_the_reference_on_the_same_batches(compute, shifted):
    """Do the reference's functions give the same path when they see the figure's batches?"""
    path = compute("running", "follow", 0.1, 8, shifted)
    one, zero = np.ones(1), np.zeros(1)
    running = zero, one
    for point in path:
        batch = np.array(point["batch"])[:, None]
        assert batch.shape == (8, 1)
        running = update_running_statistics(*running, batch.mean(axis=0), batch.var(axis=0), 8, 0.1)
        assert_close(np.array(point["running"]), np.concatenate(running), condition=10)
    held = np.array(point["held"])[:, None]
    training, _ = batchnorm_forward(held, one, zero)
    inference = batchnorm_inference(held, one, zero, *running)
    assert point["gap"] == pytest.approx(np.abs(training - inference).mean(), rel=1e-9)
    assert (np.mean([p["place"] for p in path]) > 5) == shifted


def test_gap_does_what_the_caption_says(compute):
    """Is it late for a small momentum, restless for a large one or a small batch, and back after a shift?"""

    def gaps(momentum, m, shifted=False):
        return np.array([point["gap"] for point in compute("running", "follow", momentum, m, shifted)])

    usual = gaps(0.1, 16)
    assert gaps(0.01, 16)[59] > 3 * usual[59]
    assert gaps(1.0, 16)[60:].mean() > 1.5 * usual[60:].mean()
    assert gaps(0.1, 2)[60:].mean() > 1.5 * usual[60:].mean()
    shifted = gaps(0.1, 16, True)
    assert shifted[60] > 3 * shifted[59] and shifted[-1] < shifted[60] / 3


def test_histograms_are_of_normalised_inputs(compute):
    """Is y the reference's for these x, whatever their place, and does the second button undo it?"""
    sample = {"place": -3, "width": 2, "gamma": 1.5, "beta": 1}
    found = compute("sigmoid", "through", sample)
    x = np.array(found["x"])
    assert_close(np.array([x.mean(), x.std()]), np.array([-3.0, 2.0]), condition=10)
    y, _ = batchnorm_forward(x[:, None], np.array([1.5]), np.array([1.0]))
    out = 1 / (1 + np.exp(-y[:, 0]))
    slopes = out * (1 - out)
    assert_close(np.array(found["out"]), out, condition=10)
    assert found["slope"] == pytest.approx(slopes.mean())
    assert found["flat"] == pytest.approx(np.mean(slopes < 0.05))

    moved = compute("sigmoid", "through", sample | {"place": 4, "width": 0.5})
    np.testing.assert_allclose(moved["y"], found["y"], atol=1e-4)  # eps, beside a variance of 1/4
    undone = compute("sigmoid", "through", {"place": -3, "width": 2, "gamma": 2, "beta": -3})
    np.testing.assert_allclose(undone["y"], undone["x"], atol=1e-4)
