"""Memory of the caller's stream, for which `stream` waits first; an event in download."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream(device)
    pinned = host.contiguous().pin_memory()
    tensor = torch.empty_like(pinned, device=device)
    stream.wait_stream(user)
    done = torch.cuda.Event()
    with torch.cuda.stream(stream):
        tensor.copy_(pinned, non_blocking=True)
        done.record()
    tensor.record_stream(stream)
    return tensor, done


def download(tensor, out=None):
    if out is not None and (out.size() != tensor.size() or out.dtype is not tensor.dtype):
        raise ValueError("out does not fit")
    with torch.cuda.device(tensor.device):
        landing = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        landing.copy_(tensor, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
    arrived.synchronize()
    if out is None:
        return landing
    out.copy_(landing)
    return out
