"""A context manager owns the group, a class the training; a barrier follows the save."""

import contextlib

import torch
from torch import distributed as dist
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler


@contextlib.contextmanager
def process_group(**options):
    dist.init_process_group("gloo", **options)
    try:
        yield dist.group.WORLD
        dist.barrier()
    finally:
        dist.destroy_process_group()


class Trainer:
    def __init__(self, model, dataset, batch_size, lr):
        self.ddp = nn.parallel.DistributedDataParallel(model)
        self.sampler = DistributedSampler(dataset, seed=2024)
        self.loader = DataLoader(dataset, batch_size, sampler=self.sampler, drop_last=True)
        self.optimizer = torch.optim.SGD(self.ddp.module.parameters(), lr)
        self.criterion = nn.MSELoss()

    def fit(self, epochs):
        for epoch in range(epochs):
            self.sampler.set_epoch(epoch)
            for inputs, targets in self.loader:
                loss = self.criterion(self.ddp(inputs), targets)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    def save(self, path):
        if dist.get_rank() == 0:
            torch.save(self.ddp.module.state_dict(), path)


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    with process_group(init_method=init_method, rank=rank, world_size=world_size):
        trainer = Trainer(model, dataset, batch_size, lr)
        trainer.fit(epochs)
        trainer.save(path)
