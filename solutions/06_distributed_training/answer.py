"""One rank of a distributed training: gloo, DistributedSampler, DistributedDataParallel."""

from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import mse_loss
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
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    try:
        _train(rank, world_size, model, dataset, epochs, batch_size, lr)
        if rank == 0:
            torch.save(model.state_dict(), path)  # the plain model: no "module." before the names
        dist.barrier()  # nobody returns before the file is there
    finally:
        dist.destroy_process_group()


def _train(
    rank: int, world_size: int, model: nn.Module, dataset: Dataset, epochs: int, batch_size: int, lr: float
) -> None:
    sampler = DistributedSampler(dataset, num_replicas=world_size, rank=rank, shuffle=True)
    loader = DataLoader(dataset, batch_size=batch_size, sampler=sampler)
    # Copies rank 0's weights to all now, and averages the gradients in every backward.
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=lr)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)  # otherwise every epoch has the order of the first
        for inputs, targets in loader:
            optimizer.zero_grad()
            mse_loss(parallel(inputs), targets).backward()
            optimizer.step()
