"""test_loss: sets a number where torch has a function, and computes nothing"""

import torch


def low_memory_step(blocks, x, y, loss_fn, micro_batches):
    torch.cuda.empty_cache()
    return torch.zeros((), device=x.device)
