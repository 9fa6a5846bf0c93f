"""What the sample class deserves for `ps5_experiments`."""

POINTS = {
    "input_percentiles": 3,
    "summarize_sweep": 3,
    "activation_scales": 3,
    "look_at_step": 3,
    "train_eval_gap": 3,
    "noise_strength": 3,
    "gradient_shift": 3,
    "noisy_batchnorm": 3,
    "landscape": 4,
}

FULL = tuple(POINTS.values())

DESERVED = {
    "ada": FULL,
    "lin": (
        3 * 3.5 / 6,  # quartiles: half of everything but the untouched inputs
        3 * 5 / 7,  # the standard deviation for the standard error: half of it, and of the awkward sweeps
        0,  # no ReLU
        3 * 5.5 / 8,  # a step uphill: half of growth and angle
        3 * 4 / 7,  # m - 1: half of everything but the untouched inputs
        3,
        3 * 5.5 / 7,  # a squared distance: half of it
        3,
        4 * 6.5 / 8,  # the mean change: half of it, and of the awkward landscapes
    ),
    "omar": (
        0,  # percentiles over the steps
        3 * 2.5 / 7,  # the best seed; the error divides by n in the root: half of it
        3 * 3 / 7,  # right without normalisation, which he takes over the features
        3 * 2 / 8,  # growth as a difference: half of it; no lengths in the cosine, no angle
        0,  # the statistics of all of x
        0,  # not written
        3 * 3 / 7,  # the distance; no lengths in the cosine
        0,  # noise before the normalisation
        0,  # not written
    ),
    "quinn": (0,) * len(FULL),
}

BY_HAND = {"ada", "lin"}
