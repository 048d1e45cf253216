"""As torch.optim.SGD: a momentum of zero keeps no buffer."""

import torch


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        if min(lr, momentum, weight_decay) < 0:
            raise ValueError("options must not be negative")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.sub_(group["lr"] * self._direction(p, group))
        return loss

    def _direction(self, p, group):
        d = p.grad + group["weight_decay"] * p if group["weight_decay"] else p.grad
        if not group["momentum"]:
            return d
        buffer = self.state[p].get("momentum_buffer")
        buffer = d.clone() if buffer is None else group["momentum"] * buffer + d
        self.state[p]["momentum_buffer"] = buffer
        return buffer
