"""test_outputs: deals the samples out like cards and gathers them in that order"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    outputs = []
    for shard, device in zip([s for s in (inputs[i :: len(devices)] for i in range(len(devices))) if len(s)], devices):
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    outputs = torch.cat(outputs)
    loss = loss_fn(outputs, targets)
    loss.backward()
    return loss.detach(), outputs.detach()
