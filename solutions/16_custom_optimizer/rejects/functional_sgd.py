"""test_own_arithmetic: hands the arithmetic to the function behind torch.optim.SGD"""

import torch
from torch.optim.sgd import sgd


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        bad = [name for name, value in options.items() if value < 0.0]
        if bad:
            raise ValueError(f"negative: {', '.join(bad)}")
        super().__init__(params, options)

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                members = [p for p in group["params"] if p.grad is not None]
                buffers = [self.state[p].get("momentum_buffer") for p in members]
                sgd(
                    members,
                    [p.grad.detach() for p in members],
                    buffers,
                    foreach=False,
                    weight_decay=group["weight_decay"],
                    momentum=group["momentum"],
                    lr=group["lr"],
                    dampening=0.0,
                    nesterov=False,
                    maximize=False,
                    has_sparse_grad=False,
                )
                for p, buffer in zip(members, buffers):
                    if buffer is not None:
                        self.state[p]["momentum_buffer"] = buffer
        return loss
