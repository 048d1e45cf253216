"""test_left_alone: frozen blocks end up in eval mode"""

import torch
from torch.utils.checkpoint import checkpoint


def low_memory_step(blocks, x, y, loss_fn, micro_batches):
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for part, target in zip(x.tensor_split(micro_batches), y.tensor_split(micro_batches)):
        h = part
        for block in blocks:
            h = checkpoint(block, h, use_reentrant=False)
        loss = loss_fn(h, target) * (len(part) / len(x))
        loss.backward()
        total += loss.detach()
    for block in blocks:
        if not any(p.requires_grad for p in block.parameters()):
            block.eval()
    return total
