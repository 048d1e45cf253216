"""A checkpoint that holds everything the rest of a run depends on."""

import os
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def save_checkpoint(
    path: str | Path, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler, epoch: int
) -> None:
    checkpoint = {
        "model": model.state_dict(),  # parameters and buffers
        "optimizer": optimizer.state_dict(),  # momentum, step counts, the current lr
        "scheduler": scheduler.state_dict(),  # how far along the lr curve
        "rng": torch.get_rng_state(),  # where dropout's sequence is now, not the seed it began with
        "epoch": epoch,
    }
    path = Path(path)
    # The same folder means the same file system, and only there a replacement is one atomic step.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())  # the bytes reach the disk before the name points at them
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: str | Path, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler) -> int:
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    torch.set_rng_state(checkpoint["rng"])  # last, so that nothing above draws from it
    return checkpoint["epoch"] + 1
