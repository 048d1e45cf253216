"""test_none: None is taken for device 0."""

import torch


def fetch(tensor, stream):
    with torch.cuda.stream(stream):
        return tensor.cpu()


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    elif target is None:
        torch.cuda.synchronize(0)
    else:
        raise TypeError
