"""Gradients of several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from isegm.utils import distributed

BUCKET_BYTES = 25 * 2**20  # sent at once, as in Li et al. 2020, "PyTorch Distributed"


class GradientMean:
    """Averages gradients over processes while the backward pass still runs, bucket by bucket (Li et al. 2020).

    It does what PyTorch's ``DistributedDataParallel`` does without a wrapper: the network keeps its attributes and its
    state dict, may run any number of times before a backward pass, and may have parameters and outputs that no loss
    reaches. In a backward pass all processes must give gradients to the same parameters.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], bucket_bytes: int = BUCKET_BYTES) -> None:
        self.buckets: list[list[nn.Parameter]] = []
        self.places: dict[nn.Parameter, int] = {}
        self.averaging = False
        if distributed.world_size() == 1:
            return
        room = 0
        for parameter in reversed([parameter for parameter in parameters if parameter.requires_grad]):
            size = parameter.numel() * parameter.element_size()
            if not self.buckets or room < size or self.buckets[-1][0].dtype != parameter.dtype:
                self.buckets.append([])
                room = bucket_bytes
            room -= size
            self.buckets[-1].append(parameter)
            self.places[parameter] = len(self.buckets) - 1
            parameter.register_post_accumulate_grad_hook(self._arrived)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Around a backward pass: behind it, gradients are the mean of all processes', earlier parts included."""
        self._missing = [len(bucket) for bucket in self.buckets]
        self._sent: list[tuple[list[Tensor], Tensor, Callable[[], None]]] = []
        self.averaging = True
        try:
            yield
        finally:
            self.averaging = False
        while len(self._sent) < len(self.buckets):
            self._send()
        for gradients, flat, wait in self._sent:
            wait()
            sizes = [gradient.numel() for gradient in gradients]
            for gradient, mean in zip(gradients, flat.split(sizes), strict=True):
                gradient.copy_(mean.view(gradient.shape))
        self._sent.clear()

    def _arrived(self, parameter: nn.Parameter) -> None:
        """Send the buckets that are complete, in the one order that all processes keep."""
        if self.averaging:
            self._missing[self.places[parameter]] -= 1
            while len(self._sent) < len(self.buckets) and not self._missing[len(self._sent)]:
                self._send()

    def _send(self) -> None:
        bucket = self.buckets[len(self._sent)]
        gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
        if gradients:
            flat = torch.cat([gradient.flatten() for gradient in gradients]).div_(distributed.world_size())
            self._sent.append((gradients, flat, distributed.all_reduce_async(flat)))
        else:
            self._sent.append(([], bucket[0].new_zeros(0), lambda: None))
