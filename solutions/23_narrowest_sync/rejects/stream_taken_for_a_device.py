"""test_stream: `torch.cuda.synchronize(target)` for every kind of target."""

import torch


def fetch(tensor, stream):
    with torch.cuda.stream(stream):
        return tensor.cpu()


def wait_for(target=None):
    if target is not None and not isinstance(target, (torch.cuda.Stream, torch.cuda.Event, torch.device)):
        raise TypeError
    torch.cuda.synchronize(target)
