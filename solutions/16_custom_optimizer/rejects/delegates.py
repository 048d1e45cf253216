"""test_own_arithmetic: an inner torch.optim.SGD does the work"""

import torch


class SGDMomentum(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        if min(lr, momentum, weight_decay) < 0:
            raise ValueError("options must not be negative")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.inner = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)

    def step(self, closure=None):
        for group in self.param_groups:
            for name, value in self.inner.defaults.items():
                group.setdefault(name, value)
        self.inner.param_groups, self.inner.state = self.param_groups, self.state
        return self.inner.step(closure)
