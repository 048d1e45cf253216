"""test_same_parameters: averages gradients of weights that differ from the start"""

import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    try:
        sampler = DistributedSampler(dataset, world_size, rank)
        loader = DataLoader(dataset, batch_size, sampler=sampler)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            for inputs, targets in loader:
                optimizer.zero_grad()
                mse_loss(model(inputs), targets).backward()
                for parameter in model.parameters():
                    dist.all_reduce(parameter.grad)
                    parameter.grad /= world_size
                optimizer.step()
        if rank == 0:
            torch.save(model.state_dict(), path)
        dist.barrier()
    finally:
        dist.destroy_process_group()
