"""What the sample class deserves for `ps4_torch`."""

POINTS = {
    "batchnorm_function_forward": 3,
    "batchnorm_function_backward": 4,
    "batchnorm_function_twice": 2,
    "passes_gradcheck": 2,
    "batchnorm_module_state": 3,
    "batchnorm_module_training": 4,
    "layer_norm": 2,
    "group_norm": 2,
    "combine_moments": 2,
    "sync_batchnorm": 3,
}

DESERVED = {
    "ada": tuple(POINTS.values()),
    "lin": (
        3,
        4,
        # x_hat was saved: the derivatives with respect to weight and dout are right, that of x is not
        2 * 3 / 7,
        # nothing is said of second derivatives
        2 * 4 / 6,
        3,
        # the running variance is biased: half of it, of the awkward batches, of large means and of float16
        4 * (18 - 0.5 * (2 + 2 + 1 + 2)) / 18,
        2,
        # all groups as one
        0,
        # the spread between the shards, and so all awkward shards
        2 * 4 / 9,
        # the same; y follows from her variance
        3 * 4 / 9,
    ),
    "omar": (
        # torch's own
        0,
        # dweight, dbias and good manners; his forward stops at one example and at eps = 0
        4 * 3 / 11,
        0,
        0,
        # the count is missing, half of the buffers; the loaded statistics are not used
        3 * 8 / 11,
        # both running statistics, and his own work
        4 * 5 / 18,
        # torch's own
        0,
        0,
        # the count alone
        2 * 2 / 9,
        0,
    ),
    "quinn": (0,) * len(POINTS),
}

BY_HAND = {"ada", "lin", "omar"}
