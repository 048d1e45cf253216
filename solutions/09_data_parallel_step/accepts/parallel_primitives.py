"""The functions of torch.nn.parallel, one after the other."""

import torch
from torch.nn.parallel import gather, parallel_apply, replicate, scatter


class Parallel:
    def __init__(self, model, devices):
        self.model, self.devices = model, list(devices)

    def __call__(self, inputs):
        shards = scatter(inputs, self.devices)
        if len(shards) == 1:
            return self.model(shards[0])
        used = self.devices[: len(shards)]
        replicas = replicate(self.model, used)
        outputs = parallel_apply(replicas, [(shard,) for shard in shards], devices=used)
        return gather(outputs, self.devices[0])


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    with torch.enable_grad():
        outputs = Parallel(model, devices)(inputs)
        loss = loss_fn(outputs, targets)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        if parameter.grad is None:
            parameter.grad = gradient
        else:
            parameter.grad.add_(gradient)
    return loss.detach(), outputs.detach()
