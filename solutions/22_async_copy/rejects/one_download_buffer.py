"""test_download_values: one buffer for each shape, filled again while the caller still has it."""

import torch

_buffers = {}


def upload(host, device, stream):
    user = torch.cuda.current_stream(device)
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    with torch.cuda.stream(stream):
        tensor = source.to(device, non_blocking=True)
        event = stream.record_event()
    tensor.record_stream(user)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        key = (tuple(tensor.shape), tensor.dtype)
        if key not in _buffers:
            _buffers[key] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return _buffers[key].copy_(tensor)
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
