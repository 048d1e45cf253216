"""test_outputs: replicates the parameters and starts the buffers anew"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    state = {**dict(model.named_parameters()), **{n: torch.zeros_like(b) for n, b in model.named_buffers() if len(devices) > 1}}
    outputs = []
    for shard, device in zip(inputs.chunk(len(devices)), devices):
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    outputs = torch.cat(outputs)
    loss = loss_fn(outputs, targets)
    loss.backward()
    return loss.detach(), outputs.detach()
