"""SGD with momentum and weight decay, step for step like torch.optim.SGD."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class SGDMomentum(Optimizer):
    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must not be negative (got {value})")
        # The defaults fill every group that does not bring its own; from here on only the groups count.
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():  # the closure runs backward; the no_grad around us would forbid it
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group["lr"], group["momentum"], group["weight_decay"])
        return loss

    def _update(self, p: torch.Tensor, lr: float, momentum: float, weight_decay: float) -> None:
        d = p.grad.add(p, alpha=weight_decay)  # add, not add_: the gradient belongs to the caller
        state = self.state[p]  # saved and loaded by state_dict() without further help
        if "momentum_buffer" in state:
            state["momentum_buffer"].mul_(momentum).add_(d)
        else:
            # detach: a gradient made with create_graph=True would tie every step to the next.
            state["momentum_buffer"] = d.detach().clone()
        p.add_(state["momentum_buffer"], alpha=-lr)
