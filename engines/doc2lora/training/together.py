"""Several processes as one, by accelerate: alone, on several GPUs or on several machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class Processes:
    """The processes that ``accelerate launch`` started, or this one alone.

    Gradients are added up in one buffer after a step's batches, so processes need not have
    the same number of batches.
    """

    def __init__(self, device: str) -> None:
        from accelerate import Accelerator

        self._accelerator: Any = Accelerator(cpu=device == "cpu" or None)
        self.count = int(self._accelerator.num_processes)
        self._rank = int(self._accelerator.process_index)

    @property
    def device(self) -> str:
        """Where this process computes, such as ``cuda:1``."""
        device = self._accelerator.device
        return "cpu" if device.type == "cpu" else str(device)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that evaluates and writes."""
        return self._rank == 0

    def share(self, listed: Sequence[T]) -> list[T]:
        """This process's part of what all have: every ``count``-th one."""
        return list(listed[self._rank :: self.count])

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            self._accelerator.wait_for_everyone()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes of ``values``, on the CPU."""
        if self.count == 1:
            return values
        summed: Tensor = self._accelerator.reduce(values.to(self._accelerator.device), "sum")
        return summed.cpu()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in one of the processes."""
        if self.count == 1:
            return flag
        return self.total(torch.tensor([float(flag)])).item() > 0

    def same(self, parameters: Sequence[Tensor]) -> None:
        """Give all processes the first one's numbers."""
        if self.count > 1:
            from accelerate.utils import broadcast

            for parameter in parameters:
                parameter.data.copy_(broadcast(parameter.data))

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give each process the sum of all processes' gradients; none counts as 0."""
        if self.count == 1:
            return
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([g.flatten() for g in grads])
        summed = self._accelerator.reduce(flat, "sum")
        parts = torch.split(summed, [p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
