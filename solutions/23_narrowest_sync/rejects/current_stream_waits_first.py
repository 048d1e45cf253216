"""test_fetch_waits_for_nothing_else: the current stream is made to wait for `stream`, and its own queue with it."""

import torch


def fetch(tensor, stream):
    torch.cuda.current_stream().wait_stream(stream)
    return tensor.cpu()


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError
