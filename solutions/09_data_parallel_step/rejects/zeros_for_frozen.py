"""test_frozen: gives frozen parameters a gradient of zeros"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    outputs = []
    for shard, device in zip(inputs.chunk(len(devices)), devices):
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    gathered = torch.cat(outputs)
    loss = loss_fn(gathered, targets)
    loss.backward()
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return loss.detach(), gathered.detach()
