"""test_closure: gives back a number instead of the loss"""

import torch


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        if min(lr, momentum, weight_decay) < 0:
            raise ValueError("options must not be negative")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                d = p.grad + group["weight_decay"] * p
                state = self.state[p]
                state["buffer"] = group["momentum"] * state["buffer"] + d if "buffer" in state else d
                p.sub_(group["lr"] * state["buffer"])
        return None if loss is None else float(loss)
