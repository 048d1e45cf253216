"""test_fetch_is_complete: the stream is synchronized before the copy, and nothing waits for the copy."""

import torch


def fetch(tensor, stream):
    stream.synchronize()
    with torch.cuda.stream(stream):
        return tensor.to("cpu", non_blocking=True)


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError
