"""test_upload_values: `view(-1)` raises for sources that are not contiguous."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream(device)
    source = torch.empty(host.numel(), dtype=host.dtype, pin_memory=True).copy_(host.view(-1))
    with torch.cuda.stream(stream):
        tensor = source.to(device, non_blocking=True).view(host.shape)
        event = stream.record_event()
    tensor.record_stream(user)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
