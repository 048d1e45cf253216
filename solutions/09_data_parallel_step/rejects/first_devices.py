"""test_other_first_device: takes as many devices as asked for, but the first ones of the machine"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    outputs = []
    for shard, device in zip(inputs.chunk(len(devices)), range(len(devices))):
        replica = {name: tensor.to(f"cuda:{device}") for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(f"cuda:{device}"),)).to(first))
    gathered = torch.cat(outputs)
    loss = loss_fn(gathered, targets)
    loss.backward()
    return loss.detach(), gathered.detach()
