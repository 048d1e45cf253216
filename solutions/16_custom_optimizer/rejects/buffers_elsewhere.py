"""test_state_dict: keeps the buffers in an attribute that state_dict() does not know"""

import torch


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        if lr < 0 or momentum < 0 or weight_decay < 0:
            raise ValueError("options must not be negative")
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum, weight_decay = group["lr"], group["momentum"], group["weight_decay"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                d = p.grad + weight_decay * p
                if not hasattr(self, "buffers"):
                    self.buffers = {}
                if p not in self.buffers:
                    self.buffers[p] = torch.zeros_like(p)
                buffer = self.buffers[p]
                buffer.mul_(momentum).add_(d)
                p.add_(buffer, alpha=-lr)
        return loss
