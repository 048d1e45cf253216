"""`.to(non_blocking=True)` under set_stream; Stream.synchronize in download."""

import torch


def upload(host, device, stream):
    reader = torch.cuda.current_stream(device)
    staging = torch.empty(host.size(), dtype=host.dtype).pin_memory()
    staging[...] = host
    with torch.cuda.device(device):
        torch.cuda.set_stream(stream)
        try:
            on_device = staging.to(device, non_blocking=True)
            event = torch.cuda.Event()
            event.record(stream)
        finally:
            torch.cuda.set_stream(reader)
    on_device.record_stream(reader)
    return on_device, event


def download(tensor, out=None):
    if out is None:
        out = torch.empty_like(tensor, device="cpu")
    elif (out.shape, out.dtype) != (tensor.shape, tensor.dtype):
        raise ValueError(f"expected {tensor.shape} {tensor.dtype}, got {out.shape} {out.dtype}")
    out.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    return out
