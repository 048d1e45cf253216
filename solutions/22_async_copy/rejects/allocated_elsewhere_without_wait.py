"""test_upload_memory: memory of the current stream, which may still be busy with what lay there before."""

import torch


def upload(host, device, stream):
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    tensor = torch.empty(host.shape, dtype=host.dtype, device=device)
    with torch.cuda.stream(stream):
        tensor.copy_(source, non_blocking=True)
        event = stream.record_event()
    tensor.record_stream(stream)
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
