"""test_frozen: switches requires_grad on for all parameters"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    model.requires_grad_(True)
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    outputs = []
    for shard, device in zip(inputs.chunk(len(devices)), devices):
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    gathered = torch.cat(outputs)
    loss = loss_fn(gathered, targets)
    loss.backward()
    return loss.detach(), gathered.detach()
