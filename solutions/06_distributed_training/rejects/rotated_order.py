"""test_new_order: begins the dataset's own order one sample later each epoch"""

import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    try:
        ddp = DistributedDataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for epoch in range(epochs):
            order = torch.arange(len(dataset)).roll(-epoch).tolist()
            for inputs, targets in DataLoader(Subset(dataset, order[rank::world_size]), batch_size):
                optimizer.zero_grad()
                mse_loss(ddp(inputs), targets).backward()
                optimizer.step()
        if rank == 0:
            torch.save(model.state_dict(), path)
        dist.barrier()
    finally:
        dist.destroy_process_group()
