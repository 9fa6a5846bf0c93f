"""Still pictures of the interactive figures, computed by the reference when the book is built.

A reader without JavaScript sees these. Where it runs, `_static/figures/figures.js` puts the
interactive figure of the same name in the picture's place.
"""

import matplotlib.pyplot as plt
import numpy as np
from figure_style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION

from bn_reference import whitening
from bn_reference.batchnorm import (
    batchnorm_backward_staged,
    batchnorm_forward,
    batchnorm_inference,
    update_running_statistics,
)

_COVARIANCE = np.array([[6.25, 2.0], [2.0, 1.0]])
"""Of the problem that gradient descent starts with: correlation 0.8."""


def whitenings() -> None:
    """A tilted cloud, and what PCA, ZCA and Cholesky whitening and BN make of it."""
    x = np.random.default_rng(1).standard_normal((90, 2)) * [2.95, 0.7]
    x = x @ np.array([[0.88, 0.47], [-0.47, 0.88]]) + 1
    clouds = {
        "data": x,
        "PCA": whitening.pca_whitening(x)(x),
        "ZCA": whitening.zca_whitening(x)(x),
        "Cholesky": whitening.cholesky_whitening(x)(x),
        "BN": whitening.standardize(x),
    }
    places = [["data", "PCA", "ZCA"], ["data", "Cholesky", "BN"]]
    _, panels = plt.subplot_mosaic(places, figsize=(6.4, 3.6), width_ratios=[2, 1, 1])
    colors = np.where(x[:, 0] > x[:, 0].mean(), ORANGE, BLUE)
    for name, points in clouds.items():
        reach = 9 if name == "data" else 3.4
        panels[name].scatter(*points.T, s=5, c=colors)
        panels[name].set(title=name, aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
    plt.show()


def descent() -> None:
    """Gradient descent on one problem before and after normalising, and its loss."""
    d = np.sqrt(np.diag(_COVARIANCE))
    lam, u = np.linalg.eigh(_COVARIANCE)
    forms = {"centred": np.eye(2), "standardised": np.diag(1 / d), "whitened": u / np.sqrt(lam) @ u.T}
    _, panels = plt.subplots(2, 2, figsize=(6.4, 4.6))
    for axes, (name, w), color in zip(panels.flat, forms.items(), (VERMILION, BLUE, GREEN), strict=False):
        hessian = 2 * w @ _COVARIANCE @ w.T
        goal = np.linalg.solve(w.T, [1.0, -2.0])
        curvatures = np.linalg.eigvalsh(hessian)
        step = np.eye(2) - hessian / curvatures[-1]
        path = goal + np.array([-np.linalg.matrix_power(step, k) @ goal for k in range(61)])
        reach = 1.5 * np.linalg.norm(goal) * np.linspace(-1, 1, 60)
        away = np.stack(np.meshgrid(reach, reach), axis=-1)
        heights = np.einsum("...i,ij,...j", away, hessian, away) / 2
        axes.contour(*np.moveaxis(away + goal, -1, 0), heights, 7, colors=GREY, linewidths=0.8)
        axes.plot(*path[:21].T, "o-", ms=3, lw=1, color=VERMILION)
        axes.plot(*goal, "+", ms=11, mew=3, color=BLUE)
        axes.set(title=f"{name}, κ = {curvatures[-1] / curvatures[0]:.1f}", xticks=[], yticks=[])
        losses = np.einsum("ki,ij,kj->k", path - goal, hessian, path - goal)
        panels[1, 1].semilogy(np.maximum(losses / losses[0], 1e-30), color=color, label=name)
    panels[1, 1].set(title="loss left", xlabel="step", ylim=(1e-9, 10))
    panels[1, 1].legend(fontsize=9)
    plt.show()


def algorithm() -> None:
    """Six numbers on their way through the four lines of Algorithm 1."""
    x = np.array([1, 2, 3, 5, 6, 8.5])
    y, cache = batchnorm_forward(x[:, None], np.array([1.5]), np.array([2.0]))
    rows = np.array([x, cache.x_hat[:, 0], y[:, 0]])
    mean, sigma = cache.mean[0], np.sqrt(cache.var[0])
    _, axes = plt.subplots(figsize=(6.4, 3.0))
    heights = np.array([2, 1, 0])
    axes.plot(rows, heights, color=SKY, lw=1)
    axes.plot(rows, heights, "o", color=BLUE)
    axes.plot([mean - sigma, mean + sigma], [1.85, 1.85], color=ORANGE, lw=4)
    axes.plot(mean, 2.2, "v", color=VERMILION)
    axes.text(mean + 0.3, 2.15, f"μ = {mean:.2f}")
    axes.text(mean + sigma + 0.2, 1.78, f"σ = {sigma:.2f}")
    axes.set(yticks=heights, yticklabels=["x", "x̂", "y"], xlim=(-8, 10), ylim=(-0.4, 2.5))
    plt.show()


def sigmoid() -> None:
    """A unit's inputs before and after BN as histograms, and the sigmoid that follows."""
    x = np.random.default_rng(5).normal(-3, 2, (600, 1))
    y, _ = batchnorm_forward(x, np.ones(1), np.zeros(1))
    out = 1 / (1 + np.exp(-y))
    t = np.linspace(-8, 8, 200)
    places = [["curve", "out"], ["after", "."], ["before", "."]]
    _, panels = plt.subplot_mosaic(places, figsize=(6.4, 4.2), width_ratios=[3, 1], height_ratios=[2, 1, 1])
    panels["curve"].plot(t, 1 / (1 + np.exp(-t)), "k")
    panels["out"].hist(out[:, 0], bins=20, range=(0, 1), color=ORANGE, orientation="horizontal")
    panels["after"].hist(y[:, 0], bins=40, range=(-8, 8), color=BLUE)
    panels["before"].hist(x[:, 0], bins=40, range=(-8, 8), color=GREY)
    titles = {"curve": "sigmoid(y)", "out": "outputs", "after": "y = γ x̂ + β", "before": "x, before"}
    for name, title in titles.items():
        panels[name].set_title(title, loc="left", fontsize=10)
    for name in ("curve", "after", "before"):
        panels[name].set(xlim=(-8, 8))
    plt.show()


def running() -> None:
    """Running statistics on their way, and the gap between the two modes."""
    rng = np.random.default_rng(3)
    one, zero = np.ones(1), np.zeros(1)
    held = 5 + 2 * whitening.standardize(rng.standard_normal((64, 1)))
    training, _ = batchnorm_forward(held, one, zero)
    statistics, own, path, gaps = (zero, one), [], [], []
    for batch in rng.normal(5, 2, (120, 16, 1)):
        new = batch.mean(axis=0), batch.var(axis=0)
        statistics = update_running_statistics(*statistics, *new, 16)
        inference = batchnorm_inference(held, one, zero, *statistics)
        own.append((new[0][0], new[1][0] * 16 / 15))
        path.append(np.concatenate(statistics))
        gaps.append(np.abs(inference - training).mean())
    seen, own, path = np.arange(1, 121), np.array(own), np.array(path)
    _, panels = plt.subplots(1, 3, figsize=(6.4, 2.6))
    for k, (title, truth) in enumerate({"running mean": 5, "running variance": 4}.items()):
        panels[k].plot(seen, own[:, k], ".", ms=3, color=SKY)
        panels[k].plot(seen, path[:, k], color=BLUE)
        panels[k].axhline(truth, ls="--", lw=1, color=GREY)
        panels[k].set(title=title, xlabel="batches seen")
    panels[2].plot(seen, gaps, color=VERMILION)
    panels[2].set(title="gap of the modes", xlabel="batches seen", ylim=(0, 4))
    plt.show()


def graph() -> None:
    """The graph with a value and a gradient at each node, for four examples."""
    x, dout = (np.array(v)[:, None] for v in ([1.0, 2, 4, 5], [1, -0.5, 0.5, 0.2]))
    gamma, beta = np.array([1.5]), np.array([0.5])
    y, cache = batchnorm_forward(x, gamma, beta)
    back = batchnorm_backward_staged(dout, cache)
    nodes = {  # name: (place, value, gradient)
        "x": ((0, 5.6), x, back.dx),
        "mean": ((1, 5), cache.mean, back.dmean),
        "centered": ((0, 4.2), cache.centered, back.dcentered),
        "squared": ((1, 3.8), cache.centered**2, back.dsquared),
        "var": ((1, 2.8), cache.var, back.dvar),
        "std": ((1, 1.8), cache.std, back.dstd),
        "x_hat": ((0, 1.5), cache.x_hat, back.dx_hat),
        "gamma": ((1, 0.8), gamma, back.dgamma),
        "beta": ((1, -0.2), beta, back.dbeta),
        "y": ((0, -0.2), y, dout),
    }
    edges = "x mean, x centered, mean centered, centered squared, squared var, var std, "
    edges += "std x_hat, centered x_hat, x_hat y, gamma y, beta y"
    fig, axes = plt.subplots(figsize=(6.4, 6.4))
    cards = {}
    for name, (place, value, gradient) in nodes.items():
        rows = (" ".join(f"{v:6.2f}" for v in np.ravel(numbers)) for numbers in (value, gradient))
        box = {"boxstyle": "round", "fc": "white", "ec": BLUE}
        words = "\n".join((name, *rows))
        text = axes.text(*place, words, family="monospace", fontsize=9, ha="center", va="center", bbox=box)
        cards[name] = text.get_bbox_patch()
    axes.set(xlim=(-0.5, 1.5), ylim=(-0.7, 6.1))
    axes.axis("off")
    fig.canvas.draw()  # now the cards have their sizes, and arrows can end at their borders
    for start, end in (edge.split() for edge in edges.split(", ")):
        line = {"arrowstyle": "->", "color": GREY, "patchA": cards[start], "patchB": cards[end]}
        axes.annotate("", nodes[end][0], nodes[start][0], arrowprops=line | {"shrinkA": 2, "shrinkB": 2})
    plt.show()
