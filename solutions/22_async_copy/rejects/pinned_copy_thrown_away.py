"""test_upload_from_pinned_memory: pin_memory() returns a new tensor; its result is not used."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream(device)
    host = host.contiguous()
    host.pin_memory()
    with torch.cuda.stream(stream):
        tensor = host.to(device, non_blocking=True)
        event = stream.record_event()
    tensor.record_stream(user)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
