import torch


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        if any(v < 0 for v in (lr, momentum, weight_decay)):
            raise ValueError((lr, momentum, weight_decay))
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure and closure()
        with torch.no_grad():
            for g in self.param_groups:
                for p in (p for p in g["params"] if p.grad is not None):
                    b = self.state[p].get("b", 0) * g["momentum"] + p.grad + g["weight_decay"] * p
                    self.state[p]["b"] = b
                    p.sub_(g["lr"] * b)
        return loss
