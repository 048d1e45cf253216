"""Reference answer to exercise 8."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def pick_device(prefer: str | torch.device | None = None) -> torch.device:
    """The preferred device; the CPU where there is no GPU; ValueError for a GPU that is not there."""
    device = torch.device("cuda" if prefer is None else prefer)
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # torch.device("cuda:7") is only a name and never fails; the first use would, far from here.
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise ValueError(f"there is no cuda:{device.index}: this machine has {count} CUDA device(s)")
    return device


def to_device(batch: Any, device: str | torch.device) -> Any:
    """A copy of the nested `batch` (dict, list, tuple, namedtuple) with all tensors on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device)  # a tensor is not moved in place: the result is what counts
    if isinstance(batch, dict):
        return type(batch)((key, to_device(value, device)) for key, value in batch.items())
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, Any],
    loss_fn: Callable[[Any, Any], Tensor],
    device: str | torch.device,
) -> float:
    """One training step on `device`, where model, batch and optimizer state are moved first; its loss."""
    model.to(device)  # in place, and the parameters stay the same objects, so the optimizer still holds them
    _move_state(optimizer, device)
    inputs, targets = to_device(batch, device)
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def _move_state(optimizer: torch.optim.Optimizer, device: str | torch.device) -> None:
    """Momentum and its like follow the parameters; Adam's step counters may stay on the CPU."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = value.to(device)
