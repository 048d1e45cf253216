from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler


def run(
    rank: int,
    world_size: int,
    init_method: str,
    model: nn.Module,
    dataset: Dataset,
    epochs: int,
    batch_size: int,
    lr: float,
    path: str | Path,
) -> None:
    """Train model in place as rank `rank` of `world_size` processes; rank 0 saves its state to path.

    batch_size: samples a step on each rank.  Loss: mse_loss.  Optimizer: plain SGD.
    """
    # TODO: join the group, share the data, average the gradients, save once, leave the group
    raise NotImplementedError
