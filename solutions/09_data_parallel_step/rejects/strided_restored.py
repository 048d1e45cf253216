"""test_every_device_works: deals the samples out like cards and puts the outputs back in order"""

import torch
from torch.func import functional_call


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    outputs = []
    rows = [torch.arange(len(inputs))[i :: len(devices)] for i in range(min(len(devices), len(inputs)))]
    for some, device in zip(rows, devices):
        shard = inputs[some]
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    gathered = torch.cat(outputs)[torch.cat(rows).argsort()]
    loss = loss_fn(gathered, targets)
    loss.backward()
    return loss.detach(), gathered.detach()
