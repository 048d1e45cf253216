"""All parameters of a group at once, with torch's foreach operations."""

import torch


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, momentum=0.0, weight_decay=0.0):
        if min(lr, momentum, weight_decay) < 0:
            raise ValueError("options must not be negative")
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            deltas = torch._foreach_add([p.grad for p in params], params, alpha=group["weight_decay"])
            buffers = [self.state[p].setdefault("buffer", torch.zeros_like(p)) for p in params]
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_add_(buffers, deltas)
            torch._foreach_add_(params, buffers, alpha=-group["lr"])
        return loss
