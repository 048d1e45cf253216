"""test_fetch_waits_for_nothing_else: the stream is synchronized, but the copy waits for the current stream."""

import torch


def fetch(tensor, stream):
    stream.synchronize()
    return tensor.cpu()


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError
