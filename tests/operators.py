"""The operators of PyTorch that some work calls."""

from torch.utils._python_dispatch import TorchDispatchMode


def called(work):
    """Call a function; the names of all operators that it calls, such as "aten::mul"."""
    names = set()

    class Noting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            names.add(function.name().split(".")[0])
            return function(*args, **(kwargs or {}))

    with Noting():
        work()
    return names
