"""Exercise 8: one program, with or without a GPU."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def pick_device(prefer: str | torch.device | None = None) -> torch.device:
    """The preferred device; the CPU where there is no GPU; ValueError for a GPU that is not there."""
    # TODO: no GPU, a wrong index, the rest.
    raise NotImplementedError


def to_device(batch: Any, device: str | torch.device) -> Any:
    """A copy of the nested `batch` (dict, list, tuple, namedtuple) with all tensors on `device`."""
    # TODO: recursion over the containers.
    raise NotImplementedError


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, Any],
    loss_fn: Callable[[Any, Any], Tensor],
    device: str | torch.device,
) -> float:
    """One training step on `device`, where model, batch and optimizer state are moved first; its loss."""
    # TODO: move, clear, forward, backward, step.
    raise NotImplementedError
