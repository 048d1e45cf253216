"""test_event_marks_the_end: a new event is returned that nothing has recorded; it counts as completed."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream(device)
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    with torch.cuda.stream(stream):
        tensor = source.to(device, non_blocking=True)
    tensor.record_stream(user)
    return tensor, torch.cuda.Event()


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
