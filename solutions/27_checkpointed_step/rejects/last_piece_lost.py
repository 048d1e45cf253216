"""test_loss: goes over equal pieces and loses the rest"""

import torch
from torch.utils.checkpoint import checkpoint


def low_memory_step(blocks, x, y, loss_fn, micro_batches):
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for part, target in list(zip(x.tensor_split(micro_batches), y.tensor_split(micro_batches)))[: max(1, micro_batches - 1)]:
        h = part
        for block in blocks:
            h = checkpoint(block, h, use_reentrant=False)
        loss = loss_fn(h, target) * (len(part) / len(x))
        loss.backward()
        total += loss.detach()
    return total
