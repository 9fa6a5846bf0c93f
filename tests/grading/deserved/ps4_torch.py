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
        # the running variance is biased: half of it, of the awkward batches, of large means, of half precision
        4 * (23 - 0.5 * (2 + 2 + 1 + 2)) / 23,
        2,
        # all groups as one; what is left is that it is her own work
        2 * 9 / 16,
        # the spread between the shards, and so all awkward shards
        2 * 4 / 9,
        # the same; y follows from her variance
        3 * 4 / 9,
    ),
    "omar": (
        # torch's own: it refuses one example and eps = 0
        3 * 5 / 11,
        # dweight, dbias and good manners
        4 * 3 / 13,
        0,
        0,
        # the count is missing, half of the buffers; the loaded statistics are not used
        3 * 15 / 18,
        # both running statistics, and his own work
        4 * 10 / 23,
        # torch's own
        2 * 8 / 16,
        0,
        # the count alone
        2 * 2 / 9,
        0,
    ),
    "quinn": (0,) * len(POINTS),
}

BY_HAND = {"ada", "lin", "omar"}
