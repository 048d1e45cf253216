from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def low_memory_step(
    blocks: Sequence[nn.Module],
    x: Tensor,
    y: Tensor,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    micro_batches: int,
) -> Tensor:
    """Add the gradients of the mean loss over (x, y) to the blocks' parameters; return that loss, detached.

    Splits as torch.tensor_split(x, micro_batches); checkpoints every block.
    """
    # TODO
    raise NotImplementedError
