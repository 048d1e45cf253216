"""test_upload_from_pinned_memory: non_blocking=True on pageable memory."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream(device)
    with torch.cuda.stream(stream):
        tensor = host.contiguous().to(device, non_blocking=True)
        event = stream.record_event()
    tensor.record_stream(user)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
