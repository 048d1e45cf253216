"""test_every_device_works: shuffles the samples before it shards them"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    outputs = []
    order = torch.randperm(len(inputs))
    for shard, device in zip(inputs[order].chunk(len(devices)), devices):
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    gathered = torch.cat(outputs)[order.argsort()]
    loss = loss_fn(gathered, targets)
    loss.backward()
    return loss.detach(), gathered.detach()
