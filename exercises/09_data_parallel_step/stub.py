from collections.abc import Callable

import torch
from torch import Tensor, nn


def data_parallel_step(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    devices: list[torch.device],
) -> tuple[Tensor, Tensor]:
    """Forward and backward of one batch on several devices; returns (loss, outputs) on the first.

    model, inputs, targets: on devices[0].  Adds the gradients of the whole batch's loss to the model's.
    """
    # TODO: scatter, replicate, run, gather, loss, backward
    raise NotImplementedError
