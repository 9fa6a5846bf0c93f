"""What the sample class deserves for `ps3_backprop`."""

POINTS = {
    "scale_shift_backward": 2,
    "divide_backward": 2,
    "variance_backward": 2,
    "center_backward": 2,
    "batchnorm_backward_staged": 4,
    "batchnorm_backward": 4,
    "project_out": 3,
    "batchnorm2d_backward": 4,
    "numerical_gradient": 4,
    "network_scores": 2,
    "network_gradients": 6,
    "update_network": 3,
    "train_network": 6,
}

FULL = tuple(POINTS.values())

DESERVED = {
    "ada": FULL,
    "lin": (
        2,
        2,
        2 * 3 / 6,  # dsquared has one row only: its part, the awkward batches, and the shapes
        2,
        4,
        4 * 5.5 / 8,  # no path through the variance: half of dx and of the awkward batches
        3 * 4 / 7,  # divides by m: along_x_hat, and so the constant feature
        4 * 5.5 / 8,  # no path through the variance again
        4 * 2.75 / 8,  # one-sided: a quarter of everything but the untouched inputs
        2,
        6 * 7.5 / 11,  # all gradients m times too large: half of them, and of the large scores
        3 * 5.5 / 7,  # the biased variance: half of the running statistics, and of the last part
        6,  # a learning rate m times smaller mends it
    ),
    "omar": (
        0,  # gamma forgotten, and means for sums
        2 * 1 / 5,  # dcentered alone; the sign of dstd; dx_hat overwritten
        2 * 2 / 6,  # dcentered follows from his dsquared, and the inputs are untouched
        0,  # the sign of dmean; no path through the mean
        0,  # not written
        4 * 3 / 8,  # constants: dgamma and dbeta are right
        0,  # not written
        0,  # sums over the batch alone, and gamma along the width
        0,  # without dout
        0,  # batch statistics
        6 * 7 / 11,  # dW1, and so the batch of one and the large scores
        3 * 3 / 7,  # the parameters, but in place; running statistics left alone
        6 * 3 / 11,  # gamma and beta, the time, and the inputs: inference knows nothing of the layer
    ),
    "quinn": (0,) * len(FULL),
}

BY_HAND = set(DESERVED) - {"quinn"}
