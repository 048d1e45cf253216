"""Lets the optimizer cast its own state, by loading it into itself; singledispatch for the containers."""

from functools import singledispatch

import torch


def pick_device(prefer=None):
    wanted = torch.device(prefer or "cuda")
    n = torch.cuda.device_count()
    if wanted.type == "cpu" or n == 0:
        return torch.device("cpu")
    index = torch.cuda.current_device() if wanted.index is None else wanted.index
    if not 0 <= index < n:
        raise ValueError(f"cuda:{index} asked for, {n} devices found")
    return torch.device("cuda", index)


@singledispatch
def to_device(batch, device):
    return batch


@to_device.register
def _(batch: torch.Tensor, device):
    return batch.to(device=device, non_blocking=False)


@to_device.register
def _(batch: dict, device):
    moved = batch.copy()
    moved.update((k, to_device(v, device)) for k, v in batch.items())
    return moved


@to_device.register
def _(batch: list, device):
    return [to_device(v, device) for v in batch]


@to_device.register
def _(batch: tuple, device):
    moved = [to_device(v, device) for v in batch]
    return batch._make(moved) if hasattr(batch, "_make") else tuple(moved)


def train_step(model, optimizer, batch, loss_fn, device):
    model = model.to(device)
    optimizer.load_state_dict(optimizer.state_dict())
    x, y = to_device(tuple(batch), device)
    optimizer.zero_grad(set_to_none=True)
    output = model(x)
    loss = loss_fn(output, y)
    loss.backward()
    optimizer.step()
    return float(loss)
