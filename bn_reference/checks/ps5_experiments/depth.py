"""Spec of ``activation_scales``: how large the activations are, layer after layer."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

EPS = 1e-5


def _normalize(h, axis=0):
    return (h - h.mean(axis, keepdims=True)) / np.sqrt(h.var(axis, keepdims=True) + EPS)


def _relu(h):
    return np.maximum(h, 0)


def _rms(h):
    return np.sqrt(np.mean(h**2))


def _scales(
    i, normalize=None, norm=_normalize, after=lambda h: h, relu=_relu, measure=_rms, product=np.matmul
):
    """The scales with something to turn: `measure` of each layer's activations."""
    h, scales = i["x"], []
    for weights in i["weights"]:
        h = product(h, weights)
        if i["normalize"] if normalize is None else normalize:
            h = norm(h)
        before, h = h, after(relu(h))
        scales.append(measure(before) if measure is _before else measure(h))
    return np.array(scales)


def _before(h):
    """Marks that the scale is taken before the ReLU."""
    return _rms(h)


def _normalized_last(i):
    h, scales = i["x"], []
    for weights in i["weights"]:
        h = _relu(h @ weights)
        h = _normalize(h) if i["normalize"] else h
        scales.append(_rms(h))
    return np.array(scales)


def _from_x_each_time(i):
    return np.array([_scales({**i, "weights": i["weights"][k : k + 1]})[0] for k in range(len(i["weights"]))])


def activation_scales(x, weights, normalize):
    """The root mean square of the activations after each layer of a ReLU network.

    Parameters
    ----------
    x : ndarray, shape (N, d), floating
    weights : ndarray, shape (layers, d, d), floating
    normalize : bool
        Whether each layer normalises its features over the batch, with eps 1e-5, before the ReLU.

    Returns
    -------
    tuple of one ndarray, shape (layers,)

    Examples
    --------
    >>> activation_scales(np.array([[3.0], [-1.0]]), np.array([[[2.0]]]), False)[0].round(6)
    array([4.242641])
    """
    return (_scales({"x": x, "weights": weights, "normalize": normalize}),)


def _cases(rng):
    def case(name, kind, n, layers, d, normalize, scale=1.0, dtype=np.float64):
        x = rng.standard_normal((n, d)) + 0.5
        weights = rng.standard_normal((layers, d, d)) * scale / np.sqrt(d)
        words = "with" if normalize else "without"
        inputs = {"x": x.astype(dtype), "weights": weights.astype(dtype), "normalize": normalize}
        return Case(f"{name}, {words} normalisation, x of shape {x.shape}, {layers} layers", kind, inputs)

    n, d = int(rng.integers(7, 12)), int(rng.integers(3, 6))
    return [
        case("an ordinary network", "plain", n, 3, d, False),
        case("large weights", "plain", n, 4, d, False, 3.0),
        case("as many examples as units", "plain", d, 3, d, False),
        case("an ordinary network", "normalized", n, 3, d, True),
        case("large weights", "normalized", n + 1, 4, d, True, 3.0),
        case("float32", "normalized", n, 2, d, True, dtype=np.float32),
        case("one layer", "edge", n, 1, d, False),
        case("one unit a layer", "edge", n, 2, 1, True),
    ]


def _wrong(**turned):
    return {"scales": lambda i, v: _scales(i, **turned)}


DEPTH = Spec(
    name="activation_scales",
    outputs=("scales",),
    nodes={"scales": Node(lambda i, v: _scales(i))},
    reference=activation_scales,
    cases=_cases,
    parts=(
        Part(
            "without normalisation",
            2,
            ("scales",),
            ("plain",),
            nudge="What goes into the second layer?",
            hint="Each layer takes what the one before gave: h = relu(h @ weights[l]); then the root of mean(h**2).",
            source="The part's text: the three steps of a layer.",
        ),
        Part(
            "with normalisation",
            3,
            ("scales",),
            ("normalized",),
            nudge="Print the mean of each feature just before the ReLU.",
            hint="Normalise each feature over the batch, between the product and the ReLU, with eps = 1e-5.",
            source="Ioffe & Szegedy 2015, Algorithm 1, and Section 3.2 for the place.",
        ),
        Part(
            "one layer, one unit",
            1,
            ("scales",),
            ("edge",),
            nudge="What shape do your scales have for one layer?",
            hint="One number for each layer, in an array.",
            source="The part's text: the shapes.",
        ),
    ),
    mistakes=(
        Mistake(
            "normalize_ignored",
            "Your scales do not depend on the argument normalize. Normalise only where it is True, and there always.",
            _wrong(normalize=False),
        ),
        Mistake(
            "always_normalized",
            "Your function normalises even where the argument normalize is False.",
            _wrong(normalize=True),
        ),
        Mistake(
            "normalized_over_features",
            "Your mean and variance run over the features of each example, axis 1. Batch Normalization takes them over the "
            "batch, axis 0.",
            _wrong(norm=lambda h: _normalize(h, axis=1)),
        ),
        Mistake(
            "normalized_after_relu",
            "Your normalisation comes after the ReLU. The paper puts it before the non-linearity.",
            {"scales": lambda i, v: _normalized_last(i)},
            keeps=0.5,
        ),
        Mistake(
            "scale_before_relu",
            "Your scale is that of the values before the ReLU. Measure what the layer passes on.",
            _wrong(measure=_before),
            keeps=0.5,
        ),
        Mistake(
            "relu_forgotten",
            "Your layers have no ReLU: the negative values are still there.",
            _wrong(relu=lambda h: h),
        ),
        Mistake(
            "standard_deviation_for_scale",
            "Your scale subtracts the mean. The root mean square does not: np.sqrt(np.mean(h**2)).",
            _wrong(measure=np.std),
            keeps=0.5,
        ),
        Mistake(
            "mean_square_without_root",
            "Your scale is the mean square. Take its root.",
            _wrong(measure=lambda h: np.mean(h**2)),
            keeps=0.5,
        ),
        Mistake(
            "mean_for_scale",
            "Your scale is the mean of the activations. Square them first, then take the mean and the root.",
            _wrong(measure=np.mean),
        ),
        Mistake(
            "every_layer_starts_from_x",
            "Each of your layers starts from x. It should take what the layer before it gave.",
            {"scales": lambda i, v: _from_x_each_time(i)},
        ),
        Mistake(
            "weights_transposed",
            "Your product is with the transposed weights. Examples are rows: h @ weights[l].",
            _wrong(product=lambda h, w: h @ w.T),
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1. Algorithm 1 divides by N.",
            _wrong(norm=lambda h: (h - h.mean(0)) / np.sqrt(h.var(0, ddof=1) + EPS)),
            keeps=0.5,
        ),
        Mistake(
            "eps_forgotten",
            "Your normalisation divides by sqrt(var), without eps. A unit that is always the same has the variance 0.",
            _wrong(norm=lambda h: (h - h.mean(0)) / np.sqrt(h.var(0))),
            keeps=0.5,
        ),
        Mistake(
            "x_among_the_scales",
            "Your scales begin with that of x. The first is that of the first layer's activations.",
            {"scales": lambda i, v: np.append(_rms(i["x"]), _scales(i))},
            keeps=0.5,
        ),
    ),
    chapter="training",
)
