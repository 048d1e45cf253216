"""A training step that trades computation for memory: micro-batches, and a checkpoint around every block."""

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
    total = torch.zeros((), device=x.device)
    for part, target in zip(x.tensor_split(micro_batches), y.tensor_split(micro_batches), strict=True):
        h = part
        for block in blocks:
            # Keeps h and the random state, frees the inside of the block, computes it again in backward.
            # use_reentrant=False: the reentrant one ignores parameters when no input needs a gradient.
            h = checkpoint(block, h, use_reentrant=False)
        # The mean over all samples is the mean of the pieces weighted by their samples.
        loss = loss_fn(h, target) * (len(part) / len(x))
        loss.backward()  # now, so that this piece's graph is gone before the next one is built
        total = total + loss.detach()
    return total
