"""test_download_is_complete: the host waits for the computation and then starts a copy that it does not wait for."""

import torch


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
        out = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    elif out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    torch.cuda.current_stream(tensor.device).synchronize()
    return out.copy_(tensor, non_blocking=True)
