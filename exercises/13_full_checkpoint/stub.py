import os
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def save_checkpoint(
    path: str | Path, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler, epoch: int
) -> None:
    """Write all that the rest of the run depends on to path, or leave the earlier file as it is.

    epoch: the epoch just finished, counted from 0.
    """
    # TODO: collect the states, write them beside path, put the complete file in place
    raise NotImplementedError


def load_checkpoint(path: str | Path, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler) -> int:
    """Restore everything from path into the given objects; return the epoch to run next."""
    # TODO: read the file, restore each part
    raise NotImplementedError
