"""Exercise 22, reference answer."""

import torch


def upload(
    host: torch.Tensor, device: torch.device, stream: torch.cuda.Stream
) -> tuple[torch.Tensor, torch.cuda.Event]:
    """Copy `host` to `device` on `stream`, from pinned memory; return the new tensor and an event."""
    user = torch.cuda.current_stream(device)
    source = host
    if not (host.is_pinned() and host.is_contiguous()):
        # Gathering strides and pinning are the host's work; the copy engine wants one run of bytes.
        source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True)
        source.copy_(host)
    with torch.cuda.stream(stream):
        tensor = torch.empty(host.shape, dtype=host.dtype, device=device)  # memory of `stream`
        tensor.copy_(source, non_blocking=True)
        event = stream.record_event()
    tensor.record_stream(user)  # which will read it, and may drop it before it has
    return tensor, event  # `source` may go: the pinned allocator keeps it until the copy has ended


def download(tensor: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Copy `tensor` to the host, into `out` where it is given; the result is complete when this returns."""
    if out is None:
        return tensor.cpu()  # a blocking copy: it waits for the current stream of the tensor's device
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        # copy_ would broadcast the one and convert the other
        raise ValueError(
            f"out is {tuple(out.shape)} {out.dtype}, the tensor {tuple(tensor.shape)} {tensor.dtype}"
        )
    return out.copy_(tensor)
