"""Specs of ``descend`` and ``steps_needed``: gradient descent on a quadratic."""

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float, nearest
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

SOURCE = "Chapter Why gradient descent likes white data; LeCun et al. 1998, Section 5."
MOST_STEPS = 10_000


def bowl(rng: np.random.Generator, d: int, kappa: float) -> np.ndarray:
    """Draw a symmetric matrix whose eigenvalues run from one size to `kappa` times as much."""
    u, _ = np.linalg.qr(rng.standard_normal((d, d)))
    lam = rng.uniform(0.5, 2.0) * np.geomspace(1, kappa, d)
    h = u * lam @ u.T
    return (h + h.T) / 2


def _walk(h, w, steps, pace):
    """All the weights on the way, where each step subtracts `pace` times ``h @ w``."""
    path = [as_float(w)]
    for _ in range(steps):
        path.append(path[-1] - pace * (h @ path[-1]))
    return np.array(path)


def _losses(h, path):
    return 0.5 * np.einsum("si,ij,sj->s", path, h, path)


def _descend(h, w, rate, steps):
    h, w = as_float(h), as_float(w)
    lam, u = np.linalg.eigh(h)
    shrunk = (1 - rate * lam) ** np.arange(steps + 1)[:, None] * (u.T @ w)
    return u @ shrunk[-1], 0.5 * (lam * shrunk**2).sum(1)


def _descend_cases(rng):
    def case(name, kind, d, kappa, share, steps, dtype=np.float64, whole=False):
        h = bowl(rng, d, kappa)
        w = rng.integers(2, 9, d) * rng.choice([-1, 1], d) if whole else rng.uniform(-3, 3, d).astype(dtype)
        rate = float(np.round(share / np.linalg.eigvalsh(h)[-1], 4))
        name = f"{name}, h of shape {h.shape}, {steps} steps"
        return Case(name, kind, {"h": h.astype(dtype), "w": w, "rate": rate, "steps": steps})

    d, steps = int(rng.integers(3, 6)), int(rng.integers(5, 15))
    return [
        case("a narrow valley", "typical", d, rng.uniform(10, 20), 1.0, steps),
        case("a small rate", "typical", 2, 3.0, 0.3, steps + 1),
        case("float32", "typical", d, 5.0, 0.8, 4, np.float32),
        case("w of an integer dtype", "integer", d, 4.0, 0.7, steps, whole=True),
        case("no step at all", "edge", d, 4.0, 0.7, 0),
        case("one weight", "edge", 1, 1.0, 0.4, steps),
        case("a rate that is too large, so that the loss grows", "edge", 3, 8.0, 2.3, steps),
    ]


def _at_pace(pace_of):
    """Both outputs of a walk with another factor than the rate."""

    def path(i):
        return _walk(i["h"], i["w"], i["steps"], pace_of(i))

    return {"w": lambda i, v: path(i)[-1], "losses": lambda i, v: _losses(i["h"], path(i))}


def _path(i):
    return _walk(i["h"], i["w"], i["steps"], i["rate"])


def _elementwise(i):
    path = [as_float(i["w"])]
    for _ in range(i["steps"]):
        path.append(path[-1] - i["rate"] * np.diag(i["h"]) * path[-1])
    return np.array(path)


DESCEND = Spec(
    name="descend",
    outputs=("w", "losses"),
    nodes={
        "w": Node(lambda i, v: _path(i)[-1], magnitude=lambda i: np.max(np.abs(i["w"]))),
        "losses": Node(lambda i, v: _losses(i["h"], _path(i))),
    },
    reference=_descend,
    cases=_descend_cases,
    parts=(
        Part(
            "w after the steps",
            3,
            ("w",),
            nudge="What is the gradient of w @ h @ w / 2?",
            hint="For symmetric h the gradient is h @ w. Each step goes against it: w - rate * (h @ w).",
            source=SOURCE,
        ),
        Part(
            "the losses on the way",
            2,
            ("losses",),
            nudge="How many losses are there with 0 steps?",
            hint="Note w @ h @ w / 2 before the first step and after each one: steps + 1 numbers.",
            source=SOURCE,
        ),
        Part(
            "a start in whole numbers",
            1,
            ("w", "losses"),
            ("integer",),
            nudge="What dtype do your arrays have when w holds integers?",
            hint="A copy of w keeps its integer dtype. Write w = w - ..., or copy it as float.",
            source=SOURCE,
        ),
        Part(
            "no step, one weight, and a rate above the limit",
            1,
            ("w", "losses"),
            ("edge",),
            nudge="What should come back when steps is 0?",
            hint="The losses start with the one at the given w. Go on stepping even if the loss grows.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "climbs",
            "Your steps go uphill. Go against the gradient: w - rate * (h @ w).",
            _at_pace(lambda i: -i["rate"]),
        ),
        Mistake(
            "gradient_twice_too_large",
            "Your gradient is 2 * h @ w. The loss is w @ h @ w / 2, and the half cancels the 2 of the square.",
            _at_pace(lambda i: 2 * i["rate"]),
            keeps=0.5,
        ),
        Mistake(
            "gradient_halved",
            "Your gradient keeps the half of the loss. Each weight comes in twice, so that the gradient is h @ w.",
            _at_pace(lambda i: i["rate"] / 2),
            keeps=0.5,
        ),
        Mistake(
            "rate_not_used",
            "Your steps leave the rate out. Take rate times the gradient.",
            _at_pace(lambda i: 1.0),
        ),
        Mistake(
            "elementwise_product",
            "Your gradient multiplies each weight by its own entry on the diagonal of h. The rest of h ties the weights together: use h @ w.",
            {"w": lambda i, v: _elementwise(i)[-1], "losses": lambda i, v: _losses(i["h"], _elementwise(i))},
        ),
        Mistake(
            "climbs_and_losses_differ",
            "Your steps go uphill. Go against the gradient: w - rate * (h @ w). Look at the losses again after that.",
            {"w": lambda i, v: _walk(i["h"], i["w"], i["steps"], -i["rate"])[-1]},
        ),
        Mistake(
            "one_step_too_few",
            "Your w is that after steps - 1 steps.",
            {"w": lambda i, v: _path(i)[max(i["steps"] - 1, 0)]},
            keeps=0.5,
        ),
        Mistake(
            "loss_without_half",
            "Your loss lacks the half: it is w @ h @ w / 2.",
            {"losses": lambda i, v: 2 * _losses(i["h"], _path(i))},
            keeps=0.5,
        ),
        Mistake(
            "first_loss_missing",
            "Your losses start after the first step. Note the loss at the given w too: steps + 1 numbers.",
            {"losses": lambda i, v: _losses(i["h"], _path(i))[1:]},
            keeps=0.5,
        ),
        Mistake(
            "last_loss_missing",
            "Your losses end before the last step. Note the loss once more at the end: steps + 1 numbers.",
            {"losses": lambda i, v: _losses(i["h"], _path(i))[:-1]},
            keeps=0.5,
        ),
        Mistake(
            "distance_for_loss",
            "Your losses are squared lengths of w. The loss weighs the directions by h: w @ h @ w / 2.",
            {"losses": lambda i, v: (_path(i) ** 2).sum(1)},
        ),
    ),
    chapter="conditioning",
)


def steps_to(h: np.ndarray, w: np.ndarray, rate: float, fraction: float, loss_of=None) -> int:
    """The first step at which the loss is at most `fraction` of the first, or `MOST_STEPS`."""
    lam, u = np.linalg.eigh(as_float(h))
    for horizon in (500, MOST_STEPS):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            coordinates = (1 - rate * lam) ** np.arange(horizon + 1)[:, None] * (u.T @ as_float(w))
            losses = (lam * coordinates**2).sum(1) if loss_of is None else loss_of(lam, coordinates)
            done = losses <= fraction * losses[0]
        if done.any():
            return int(np.argmax(done))
    return MOST_STEPS


def _steps_needed(h, w, fraction):
    lam = np.linalg.eigvalsh(as_float(h))
    rate = 1 / lam[-1]
    return lam[-1] / lam[0], rate, steps_to(h, w, rate, fraction)


def _needed_cases(rng):
    def case(name, kind, d, kappa, fraction, dtype=np.float64):
        h, w = bowl(rng, d, kappa).astype(dtype), rng.uniform(1, 3, d).astype(dtype)
        return Case(f"{name}, h of shape {h.shape}", kind, {"h": h, "w": w, "fraction": fraction})

    d = int(rng.integers(3, 6))
    return [
        case("a narrow valley", "typical", d, rng.uniform(20, 40), 1e-3),
        case("a wider valley", "typical", d + 1, rng.uniform(4, 8), 1e-4),
        case("two weights", "typical", 2, rng.uniform(10, 20), 0.02),
        case("a round bowl", "edge", d, 1.0, 1e-6),
        case("one weight", "edge", 1, 1.0, 1e-6),
    ]


def _lam(i):
    return np.linalg.eigvalsh(as_float(i["h"]))


def _steps(i, rate, **options):
    return steps_to(i["h"], i["w"], rate, i["fraction"], **options)


def _from_own_rate(i, v):
    own = v.get("steps")
    by_own, right = _steps(i, float(v["rate"])), _steps(i, 1 / _lam(i)[-1])
    return np.asarray(nearest(own, by_own, right))


STEPS_NEEDED = Spec(
    name="steps_needed",
    outputs=("kappa", "rate", "steps"),
    nodes={
        "kappa": Node(
            lambda i, v: np.asarray(_lam(i)[-1] / _lam(i)[0]),
            magnitude=lambda i: (_lam(i)[-1] / _lam(i)[0]) ** 2,
        ),
        "rate": Node(lambda i, v: np.asarray(1 / _lam(i)[-1])),
        "steps": Node(_from_own_rate),
    },
    reference=_steps_needed,
    cases=_needed_cases,
    parts=(
        Part(
            "kappa, the condition number",
            2,
            ("kappa",),
            nudge="Is your kappa ever below 1?",
            hint="The largest eigenvalue of h divided by the smallest.",
            source=SOURCE,
        ),
        Part(
            "rate",
            1,
            ("rate",),
            nudge="Which direction of the bowl sets the limit?",
            hint="One over the largest eigenvalue: the steepest direction is done in one step.",
            source=SOURCE,
        ),
        Part(
            "steps, from your rate",
            3,
            ("steps",),
            nudge="If the loss is low enough from the start, how many steps are that?",
            hint="Count the steps until the loss is at most fraction times the loss at the start.",
            source=SOURCE,
        ),
        Part(
            "a round bowl, and one weight",
            1,
            ("kappa", "rate", "steps"),
            ("edge",),
            nudge="How many steps does a round bowl take at this rate?",
            hint="With equal eigenvalues kappa is 1, and one step arrives.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "kappa_upside_down",
            "Your kappa is upside down: the smallest eigenvalue over the largest. np.linalg.eigvalsh puts the smallest first.",
            {"kappa": lambda i, v: _lam(i)[0] / _lam(i)[-1]},
            keeps=0.5,
        ),
        Mistake(
            "kappa_rooted",
            "Your kappa is the root of the condition number of h. Take the eigenvalues of h themselves.",
            {"kappa": lambda i, v: np.sqrt(_lam(i)[-1] / _lam(i)[0])},
        ),
        Mistake(
            "kappa_from_the_diagonal",
            "Your kappa compares entries on the diagonal of h. The curvatures of the bowl are its eigenvalues.",
            {"kappa": lambda i, v: np.diag(i["h"]).max() / np.diag(i["h"]).min()},
        ),
        Mistake(
            "kappa_is_a_difference",
            "Your kappa is the difference of the eigenvalues. Divide the largest by the smallest.",
            {"kappa": lambda i, v: _lam(i)[-1] - _lam(i)[0]},
        ),
        Mistake(
            "rate_at_the_limit",
            "Your rate is 2 / lambda_max: there the steepest direction swings from side to side for ever. Take half of it, 1 / lambda_max.",
            {"rate": lambda i, v: 2 / _lam(i)[-1]},
            keeps=0.5,
        ),
        Mistake(
            "rate_from_the_flattest",
            "Your rate is one over the smallest eigenvalue. In the steep directions that leaps out of the bowl: take the largest.",
            {"rate": lambda i, v: 1 / _lam(i)[0]},
        ),
        Mistake(
            "rate_is_the_eigenvalue",
            "Your rate is the largest eigenvalue. Steep bowls need small steps: take one over it.",
            {"rate": lambda i, v: _lam(i)[-1]},
        ),
        Mistake(
            "rate_between_the_extremes",
            "Your rate is 2 / (lambda_max + lambda_min). That is the fastest one for this bowl, but here we compare all bowls at 1 / lambda_max.",
            {"rate": lambda i, v: 2 / (_lam(i)[-1] + _lam(i)[0])},
            keeps=0.5,
        ),
        Mistake(
            "counts_one_more",
            "Your steps is one too many: it counts the losses, and the first loss comes before any step.",
            {"steps": lambda i, v: _steps(i, v["rate"]) + 1},
            keeps=0.5,
        ),
        Mistake(
            "counts_one_less",
            "Your steps is one too few. Return the number of steps after which the loss is low enough, not before.",
            {"steps": lambda i, v: _steps(i, v["rate"]) - 1},
            keeps=0.5,
        ),
        Mistake(
            "waits_for_the_weights",
            "Your loop waits until the length of w has shrunk. Watch the loss, w @ h @ w / 2.",
            {"steps": lambda i, v: _steps(i, v["rate"], loss_of=lambda lam, c: np.sqrt((c**2).sum(1)))},
        ),
        Mistake(
            "absolute_threshold",
            "Your loop compares the loss with fraction itself. Compare with fraction times the loss at the start.",
            {
                "steps": lambda i, v: steps_to(
                    i["h"], i["w"], v["rate"], i["fraction"] / (0.5 * i["w"] @ i["h"] @ i["w"])
                )
            },
        ),
    ),
    chapter="conditioning",
)
