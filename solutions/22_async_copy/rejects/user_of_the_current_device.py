"""test_upload_memory: the caller's stream is looked up on the current device, not on `device`."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream()
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    with torch.cuda.stream(stream):
        tensor = source.to(device, non_blocking=True)
        event = stream.record_event()
    tensor.record_stream(user)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
