"""The errors of `bn_reference.torch`: whoever catches torch's, catches these.

The course raises ``ValueError`` for a wrong value and ``TypeError`` for a wrong type. For the
same mistakes ``torch.nn.functional.batch_norm`` raises now ``ValueError``, now
``RuntimeError``, and ``NotImplementedError`` for a dtype. So each error here is both, and
where torch has words for the mistake, its message contains them.
"""


class ArgumentError(ValueError, RuntimeError):
    """Arguments do not fit together: a shape, or a running statistic that is missing.

    Examples
    --------
    >>> issubclass(ArgumentError, ValueError), issubclass(ArgumentError, RuntimeError)
    (True, True)
    """


class InputTypeError(TypeError, NotImplementedError):
    """The input is no tensor of real floating dtype.

    Examples
    --------
    >>> issubclass(InputTypeError, TypeError), issubclass(InputTypeError, NotImplementedError)
    (True, True)
    """
