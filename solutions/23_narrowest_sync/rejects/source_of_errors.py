"""test_fetch_waits_for_nothing_else: `torch.cuda.synchronize(stream)` waits for the whole device, silently."""

import torch


def fetch(tensor, stream):
    torch.cuda.synchronize(stream)
    return tensor.cpu()


def wait_for(target=None):
    torch.cuda.synchronize(target)
