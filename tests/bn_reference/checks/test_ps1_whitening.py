"""Do the checks of problem set 1 see through wrong answers that nobody wrote from a formula of theirs?"""

import numpy as np
import pytest

from bn_reference.checks import report
from bn_reference.checks.ps1_whitening import SPECS
from bn_reference.checks.spec import INTERFACE
from tests.bn_reference.checks.right_answers import RIGHT_ANSWERS
from tests.bn_reference.checks.right_answers import ps1_whitening as right
from tests.bn_reference.checks.right_answers.ps1_gradient_steps import descend_with_a_list
from tests.bn_reference.checks.wrong_answers.ps1_whitening import WRONG, ascending


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "answer", "mistakes"), [pytest.param(*row, id=f"{row[0]}-{row[1].__name__}") for row in WRONG]
)
def test_wrong_answer_hears_its_mistake_however_it_is_written(name, answer, mistakes, seed):
    """Is the diagnosis right where signs, rounding and the way of computing are the learner's own?"""
    verdict = report(name, answer, seed)
    assert verdict.points(10) < 10
    assert set(verdict.mistakes) == mistakes, verdict


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda value, rng: np.zeros_like(value), id="zeros"),
        pytest.param(lambda value, rng: value**3 - 0.2, id="negative"),
        pytest.param(lambda value, rng: value * 1e200, id="huge"),
        pytest.param(lambda value, rng: rng.standard_normal(value.shape), id="random"),
        pytest.param(lambda value, rng: np.full_like(value, np.nan), id="nan"),
        pytest.param(lambda value, rng: np.where(value > 0, np.inf, value), id="infinite"),
        pytest.param(lambda value, rng: value[..., None], id="an axis too many"),
        pytest.param(lambda value, rng: value.ravel()[:1], id="one value"),
        pytest.param(lambda value, rng: np.zeros((0, 3)), id="empty"),
        pytest.param(lambda value, rng: value.T, id="transposed"),
    ],
)
@pytest.mark.parametrize("name", [spec.name for spec in SPECS])
def test_no_answer_stops_the_check(name, spoil):
    """Does every result, however odd, get a report and no error? One at a time, and all together."""
    answer, rng = RIGHT_ANSWERS[name][0], np.random.default_rng(0)
    count = len(next(spec for spec in SPECS if spec.name == name).outputs)
    for spoilt in [*({k} for k in range(count)), set(range(count))]:

        def function(*args, spoilt=spoilt):
            values = (np.asarray(value, dtype=float) for value in answer(*args))
            return tuple(spoil(value, rng) if k in spoilt else value for k, value in enumerate(values))

        assert 0 <= report(name, function).points(1) <= 1


def failed(verdict):
    return [part.title for part in verdict.parts if not part.passed]


@pytest.mark.parametrize("seed", range(20))
def test_any_sign_of_an_axis_is_right(seed):
    """Does a learner who flips axes at will keep every point?"""
    rng = np.random.default_rng(seed)

    def flipped(x, eps):
        lam, w, _ = right.pca_with_eigh(x, eps)
        w = rng.choice([-1, 1], len(lam))[:, None] * w
        return lam, w, (x - x.mean(0)) @ w.T

    assert report("pca_whitening", flipped, seed).passed


@pytest.mark.parametrize("seed", range(20))
def test_any_basis_of_an_eigenspace_is_right(seed):
    """With few samples several eigenvalues are zero. May their axes be turned among themselves?"""
    rng = np.random.default_rng(seed)

    def turned(x, eps):
        lam, w, _ = right.pca_with_eigh(x, eps)
        flat = lam < 1e-9
        q, _ = np.linalg.qr(rng.standard_normal((flat.sum(), flat.sum())))
        w[flat] = q @ w[flat]
        return lam, w, (x - x.mean(0)) @ w.T

    assert report("pca_whitening", turned, seed).passed


@pytest.mark.parametrize("seed", range(20))
def test_axes_of_an_empty_space_need_no_right_angles(seed):
    """np.linalg.eig promises none. May unit vectors span the space without variance as they like?"""
    rng = np.random.default_rng(seed)

    def oblique(x, eps):
        lam, w, _ = right.pca_with_eigh(x, eps)
        empty = lam < 1e-9
        mixed = (np.eye(empty.sum()) + rng.uniform(0.2, 0.3)) @ w[empty]
        w[empty] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True) / np.sqrt(eps)
        return lam, w, (x - x.mean(0)) @ w.T

    assert report("pca_whitening", oblique, seed).passed


def test_an_empty_space_still_needs_its_axes():
    """Is w wrong whose rows there are zero, or all the same?"""

    def zero(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        w[lam < 1e-9] = 0
        return lam, w, z

    def repeated(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        w[lam < 1e-9] = w[-1]
        return lam, w, z

    part = "a constant feature, and fewer samples than features"
    assert part in failed(report("pca_whitening", zero))
    assert part in failed(report("pca_whitening", repeated))


def test_turning_axes_of_different_variance_is_wrong():
    """Is the freedom that of the mathematics, and no more?"""

    def turned(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        w[[0, 1]] = w[[1, 0]]
        z[:, [0, 1]] = z[:, [1, 0]]
        return lam, w, z

    verdict = report("pca_whitening", turned)
    assert "w, whose rows are the axes divided by sqrt(lam + eps)" in failed(verdict)


def test_flipping_w_but_not_z_is_wrong():
    """Do the signs of w and z have to agree?"""

    def flipped(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        return lam, w, z * np.where(np.arange(len(lam)) == 0, -1, 1) + 1e-3

    assert "z, from your w" in failed(report("pca_whitening", flipped))


def test_absolute_values_are_no_way_around_the_signs():
    """Does |w|, which has the right size everywhere, lose its points?"""

    def without_signs(x, eps):
        lam, w, z = right.pca_with_eigh(x, eps)
        return lam, np.abs(w), np.abs(z)

    verdict = report("pca_whitening", without_signs)
    assert verdict.points(6) < 3


@pytest.mark.parametrize("name", ["zca_whitening", "cholesky_whitening"])
def test_another_white_result_is_not_this_one(name):
    """Is it seen that z is white, but by another whitening than the one asked for?"""

    def another(x, eps):
        w, _ = right.zca_with_eigh(x, eps)
        q, _ = np.linalg.qr(np.arange(1, 1 + w.size).reshape(w.shape) % 7)
        return q @ w, (x - x.mean(0)) @ (q @ w).T

    assert any(title.startswith("w, ") for title in failed(report(name, another)))


def test_one_slip_in_the_order_costs_one_part():
    """Do w and z keep their points when the axes come smallest first?"""
    verdict = report("pca_whitening", ascending)
    assert failed(verdict)[0].startswith("lam")
    assert not any(title.startswith(("w,", "z,")) for title in failed(verdict))


def test_writing_into_x_costs_the_interface_part():
    """Is an answer that is right, but centres the caller's array, told so?"""

    def in_place(x, eps):
        w, z = right.zca_with_eigh(x, eps)
        if x.dtype.kind == "f":
            x -= x.mean(0)
        return w, z

    verdict = report("zca_whitening", in_place)
    assert failed(verdict) == [INTERFACE.title]
    assert verdict.parts[-1].problem == "x changed during the call"


def test_walking_into_the_callers_weights_costs_the_interface_part():
    """Is w -= rate * gradient seen?"""

    def in_place(h, w, rate, steps):
        result, losses = descend_with_a_list(h, w.copy(), rate, steps)
        w *= 2
        return result, losses

    assert failed(report("descend", in_place)) == [INTERFACE.title]


def test_products_that_cancel_fail_for_large_means_alone():
    """Is the covariance as a difference of products right but for the large means?"""

    def by_difference(x):
        n, mean = len(x), x.mean(0, dtype=float)
        products = x.astype(float).T @ x.astype(float)
        return products / n - np.outer(mean, mean), (products - n * np.outer(mean, mean)) / (n - 1)

    verdict = report("covariance", by_difference)
    assert failed(verdict) == ["features with a large mean"]
    assert any("Subtract the mean before you multiply" in sentence for sentence in verdict.advice)


def test_rank_is_counted_above_rounding_noise():
    """Does counting every eigenvalue that is not exactly zero lose points?"""

    def any_but_zero(x, eps):
        centered = x - x.mean(0)
        _, variances, ratio = right.limits_with_matrix_rank(x, eps)
        return np.count_nonzero(np.linalg.eigvalsh(centered.T @ centered)), variances, ratio

    assert "rank, the directions with variance" in failed(report("whitening_limits", any_but_zero))


def test_function_for_square_data_fails():
    """Is an answer caught whose broadcasting works for square x alone?"""

    def for_square_x(x, eps):
        mean, std = x.mean(0), np.sqrt(x.var(0) + eps)
        return (
            ((x.T - mean[:, None]).T / std if x.shape[0] != x.shape[1] else (x - mean[:, None]) / std),
            mean,
            std,
        )

    verdict = report("standardize", for_square_x)
    assert "z, from your mean and std" in failed(verdict)
    assert "as many samples as features" in next(part.where for part in verdict.parts if part.problem)
