"""What the sample class deserves for `ps1_whitening`."""

POINTS = {
    "standardize": 3,
    "covariance": 3,
    "pca_whitening": 6,
    "zca_whitening": 3,
    "cholesky_whitening": 3,
    "what_is_kept": 3,
    "descend": 3,
    "steps_needed": 3,
    "train_bias": 3,
    "bias_in_closed_form": 3,
    "whitening_limits": 3,
}

DESERVED = {
    "ada": (3, 3, 6, 3, 3, 3, 3, 3, 3, 3, 3),
    "lin": (
        # eps outside the root: half of std and of the three awkward data sets; z follows from her std
        3 * 6.5 / 9,
        # sigma divides by N - 1: a quarter of it and of the awkward data sets; unbiased follows from it
        3 * 4.5 / 9,
        # w is transposed, z is right: half of w and of the awkward data sets
        6 * 8 / 11,
        # w is that of PCA, and the factor is not inverted: the same halves; z follows from her w
        3 * 6.5 / 10,
        3 * 6.5 / 10,
        3,
        3,
        # the rate is at the limit: half of it, and of the round bowl; her steps are right for her rate
        3 * 7 / 8,
        # a 2 is missing in the gradient: half of the biases, of whole numbers and of the edge cases; again
        # in closed form
        3 * 5.5 / 8,
        3 * 6.5 / 9,
        # the rank is read off the shape: a quarter of it, and of the dependent features
        3 * 4.75 / 7,
    ),
    # one mean for all; not centred, but unbiased follows from sigma, and the inputs are unchanged; an error;
    # not written three times; uphill, and losses without half and start; not written; the true gradient,
    # which keeps a quarter of what it costs, with the right losses; not written twice
    "petra": (0, 3 * 3 / 9, 0, 0, 0, 0, 0, 0, 3 * 4.25 / 8, 0, 0),
    "quinn": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
}

BY_HAND = {"ada", "lin", "petra"}
