"""test_fetch_waits_for_nothing_else: fetch synchronizes the device."""

import torch


def fetch(tensor, stream):
    torch.cuda.synchronize(tensor.device)
    with torch.cuda.stream(stream):
        return tensor.cpu()


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError
