"""test_gradients: averages the gradients of losses that are weighted already"""

import copy

import torch


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    first = devices[0]
    outputs, losses, replicas = [], [], []
    shards = list(zip(inputs.chunk(len(devices)), targets.chunk(len(devices)), devices))
    for x, y, device in shards:
        replica = copy.deepcopy(model).to(device)
        for parameter in replica.parameters():
            parameter.grad = None
        out = replica(x.to(device))
        loss = loss_fn(out, y.to(device)) * len(x) / len(inputs)
        loss.backward()
        outputs.append(out.detach().to(first))
        losses.append(loss.detach().to(first))
        replicas.append(replica)
    for parameter, *copies in zip(model.parameters(), *(r.parameters() for r in replicas)):
        total = sum(c.grad.to(first) for c in copies) / len(copies)
        parameter.grad = total if parameter.grad is None else parameter.grad + total
    return sum(losses), torch.cat(outputs)
