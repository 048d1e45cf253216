"""test_file_is_complete: takes the state, meets the others, and only then writes it"""

import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    try:
        ddp = DistributedDataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        sampler = DistributedSampler(dataset, world_size, rank)
        loader = DataLoader(dataset, batch_size, sampler=sampler)
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            for inputs, targets in loader:
                optimizer.zero_grad()
                mse_loss(ddp(inputs), targets).backward()
                optimizer.step()
        state = model.state_dict()
        dist.barrier()
        if rank == 0:
            torch.save(state, path)
    finally:
        dist.destroy_process_group()
