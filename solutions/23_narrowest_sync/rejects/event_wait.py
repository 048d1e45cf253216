"""test_fetch_is_complete: event.wait() lets a stream wait; the host goes on."""

import torch


def fetch(tensor, stream):
    with torch.cuda.stream(stream):
        host = tensor.to("cpu", non_blocking=True)
        event = stream.record_event()
    event.wait()
    return host


def wait_for(target=None):
    if isinstance(target, (torch.cuda.Stream, torch.cuda.Event)):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError
