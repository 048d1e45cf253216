"""The older spelling, through .data, with the buffer rebound at each step."""

import torch
from torch.optim import Optimizer


def _positive(**options):
    for name, value in options.items():
        if not value >= 0:
            raise ValueError("Invalid {}: {}".format(name, value))
    return options


class SGDMomentum(Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        super(SGDMomentum, self).__init__(
            params, _positive(lr=lr, momentum=momentum, weight_decay=weight_decay)
        )

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.set_grad_enabled(True):
                loss = closure()
        for group in self.param_groups:
            for p in filter(lambda q: q.grad is not None, group["params"]):
                d = p.grad.data + group["weight_decay"] * p.data
                state = self.state[p]
                state["v"] = d if "v" not in state else group["momentum"] * state["v"] + d
                p.data -= group["lr"] * state["v"]
        return loss
