"""The one exception for bad input, and those that reading bad files raises."""


class InputError(ValueError):
    """Something that the user handed in is wrong.

    The message is one sentence that names the file or argument, says what is wrong with it and what to do.
    Command lines print it after ``error:`` and end with exit code 2; programs may catch it as a ``ValueError``.
    """


DECODING = (  # what Python raises where content of an unknown program is not what its reader expects
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    RecursionError,
)
