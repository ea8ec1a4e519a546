"""The one exception for bad input, those that reading bad files raises, and those of full memory."""

import sys

CPU_MEMORY = "DefaultCPUAllocator"  # in the message of the RuntimeError that PyTorch raises when main memory is full


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


def tells_full_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the computer or of its GPU is full."""
    torch = sys.modules.get("torch")  # without which no GPU is in use
    full_gpu = torch is not None and isinstance(error, torch.OutOfMemoryError)
    return full_gpu or isinstance(error, MemoryError) or CPU_MEMORY in str(error)
