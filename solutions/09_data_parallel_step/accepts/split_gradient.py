"""One loss on detached outputs; its gradient is split and sent back through each replica."""

import copy

import torch


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    home, per = devices[0], -(-len(inputs) // len(devices))
    shards = inputs.split(per)
    replicas = [model]
    for device in devices[1 : len(shards)]:
        replica = copy.deepcopy(model).to(device)
        replica.zero_grad(set_to_none=True)
        replicas.append(replica)
    local = [r(s.to(d)) for r, s, d in zip(replicas, shards, devices)]
    outputs = torch.cat([o.detach().to(home) for o in local]).requires_grad_()
    loss = loss_fn(outputs, targets)
    (gradient,) = torch.autograd.grad(loss, outputs)
    for o, g, d in zip(local, gradient.split(per), devices):
        o.backward(g.to(d))
    for replica in replicas[1:]:
        for mine, theirs in zip(model.parameters(), replica.parameters()):
            if theirs.grad is not None:
                g = theirs.grad.to(home)
                mine.grad = g if mine.grad is None else mine.grad.add_(g)
    return loss.detach(), outputs.detach()
