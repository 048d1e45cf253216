"""test_fetch_is_complete: an asynchronous copy is returned before it has ended."""

import torch


def fetch(tensor, stream):
    with torch.cuda.stream(stream):
        return tensor.to("cpu", non_blocking=True)


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError
