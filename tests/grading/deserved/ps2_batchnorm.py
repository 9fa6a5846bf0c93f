"""What the sample class deserves for `ps2_batchnorm`."""

POINTS = {
    "batchnorm_forward": 6,
    "update_running_statistics": 3,
    "batchnorm_inference": 3,
    "batchnorm_backward_staged": 9,
    "batchnorm_backward": 6,
}

DESERVED = {
    "ada": (6, 3, 3, 9, 6),
    "emmy": (6, 3, 3, 9, 6),
    "kofi": (6, 3, 3, 9, 6),
    # variance and x_hat wrong, and so two of the awkward batches; half of the running variance and of
    # inference; the closed form without its part along x_hat
    "lin": (6 * 4 / 10, 3 * 5 / 7, 3 * 3.5 / 6, 9, 6 * 5.5 / 8),
    # momentum swapped; the sign of dvar and the constants in dx; constants again
    "maria": (6, 3 * 4 / 7, 3, 9 * 6 / 12, 6 * 3 / 8),
    # beta forgotten and x overwritten; inputs overwritten; batch statistics; no path through the mean; sums
    "omar": (6 * 5 / 10, 3 * 6 / 7, 0, 9 * 8 / 12, 6 * 5.5 / 8),
    # the shape of mean and var; an error; nothing else written
    "petra": (6 * 9 / 10, 0, 0, 0, 0),
    "quinn": (0, 0, 0, 0, 0),
    # a syntax error; right; batch statistics; not written; dgamma and dbeta averaged
    "tove": (0, 3, 0, 0, 6 * 5 / 8),
}

BY_HAND = set(DESERVED) - {"kofi", "quinn"}
