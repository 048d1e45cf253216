"""Averages the parameters after every step: with plain SGD that is averaging the gradients."""

import torch
import torch.distributed as dist
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    dist.init_process_group("gloo", init_method, rank=rank, world_size=world_size)
    try:
        flat = parameters_to_vector(model.parameters()).detach()
        dist.broadcast(flat, 0)
        vector_to_parameters(flat, model.parameters())
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        sampler = DistributedSampler(dataset, world_size, rank)
        for epoch in range(epochs):
            sampler.set_epoch(epoch + 7)
            for inputs, targets in DataLoader(
                dataset, batch_sampler=BatchSampler(sampler, batch_size, False)
            ):
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.mse_loss(model(inputs), targets).backward()
                optimizer.step()
                flat = parameters_to_vector(model.parameters()).detach()
                dist.all_reduce(flat)
                vector_to_parameters(flat / world_size, model.parameters())
        done = [None]
        if rank == 0:
            torch.save(model.state_dict(), path)
            done = ["saved"]
        dist.broadcast_object_list(done, src=0)
    finally:
        dist.destroy_process_group()
