"""Without DDP, sampler or optimizer: broadcast, a shared permutation, all_reduce, and the update itself."""

import torch
import torch.distributed as dist


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    dist.init_process_group(backend="gloo", init_method=init_method, world_size=world_size, rank=rank)
    try:
        parameters = list(model.parameters())
        for parameter in parameters:
            dist.broadcast(parameter.data, src=0)
        for epoch in range(epochs):
            generator = torch.Generator().manual_seed(1000 + epoch)
            mine = torch.randperm(len(dataset), generator=generator)[rank::world_size].tolist()
            for begin in range(0, len(mine), batch_size):
                samples = [dataset[i] for i in mine[begin : begin + batch_size]]
                inputs = torch.stack([x for x, _ in samples])
                targets = torch.stack([y for _, y in samples])
                loss = torch.mean((model(inputs) - targets) ** 2)
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    for parameter, gradient in zip(parameters, gradients):
                        dist.all_reduce(gradient)
                        parameter -= lr * gradient / world_size
        if rank == 0:
            torch.save({name: value for name, value in model.state_dict().items()}, str(path))
        dist.barrier()
    finally:
        dist.destroy_process_group()
