from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class SGDMomentum(Optimizer):
    """SGD with momentum and weight decay, as torch.optim.SGD computes it.

    params: an iterable of parameters, or of dicts {"params": …, "lr": …, …}.
    Raises ValueError for a negative lr, momentum or weight_decay.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        # TODO: check the options, hand them to Optimizer
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return the closure's loss, or None."""
        # TODO
        raise NotImplementedError
