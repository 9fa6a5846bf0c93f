"""What the sample class deserves for `ps2_batchnorm`."""

POINTS = {
    "batchnorm_forward": 6,
    "identity_parameters": 2,
    "eps_effect": 3,
    "average_variances": 3,
    "update_running_statistics": 3,
    "batchnorm_inference": 3,
    "batchnorm_layer": 4,
    "batchnorm_conv_forward": 5,
    "fold_linear": 3,
    "fold_conv": 3,
}

FULL = tuple(POINTS.values())

DESERVED = {
    "ada": FULL,
    "emmy": FULL,
    "kofi": FULL,
    "lin": (
        6 * 4 / 10,  # variance and x_hat wrong, and so two of the awkward batches
        2 * 5 / 9,  # gamma, and so two of the awkward batches; y comes out right, by two slips that cancel
        3 * 5 / 11,  # the gain, and so all awkward batches; both variances are right
        3,
        3 * 5 / 7,  # half of the running variance
        3 * 3.5 / 6,  # eps outside the root
        4 * 4 / 9,  # y in neither mode; the running variance comes out right, by two slips that cancel
        5 * 5 / 11,  # variance and x_hat, and so two of the awkward batches
        3 * 4.5 / 8,  # eps outside the root: half of weight and bias
        3 * 4.5 / 9,  # the same, and an error without a bias
    ),
    "maria": (
        6,
        2 * 5 / 9,  # gamma, and so two of the awkward batches
        3 * 5 / 11,  # the variance of x_hat, and so all awkward batches
        3 * 4.5 / 8,  # the two have changed places: half of everything
        3 * 4 / 7,  # momentum swapped
        3,
        4 * 7.5 / 9,  # momentum swapped, in training
        5,
        3 * 4 / 8,  # the layer's bias forgotten
        3 * 5 / 9,  # the same, which is right where there is none
    ),
    "omar": (
        6 * 5 / 10,  # beta forgotten and x overwritten
        2 * 4 / 9,  # gamma and beta are right; y by his forward pass lacks beta, and overwrites x
        3 * 3 / 11,  # the variance with eps inside, alone
        0,  # the variance of all data
        3 * 6 / 7,  # inputs overwritten
        0,  # batch statistics
        4 * 3 / 9,  # the running statistics, in both modes; y in neither, and inputs overwritten
        5 * 2 / 11,  # y from what he has; statistics of each image, in another shape
        3 * 4 / 8,  # the mean not scaled
        0,  # stops with an error for all kernels but one
    ),
    # the shape of mean and var; an error; nothing else written
    "petra": (6 * 9 / 10, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "quinn": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "tove": (
        0,  # a syntax error
        0,  # calls the function that does not exist
        3,
        3 * 7 / 8,  # the rows left over
        3,
        0,  # batch statistics
        4 * 7 / 9,  # statistics updated at inference, and none for a single example
        5 * 5 / 11,  # mean and variance, and so two of the awkward batches
        3,
        0,  # not written
    ),
}

BY_HAND = set(DESERVED) - {"kofi", "quinn"}
