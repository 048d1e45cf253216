"""test_upload_on_the_stream: the copy runs on the current stream; only the event is recorded on `stream`, which waits for it."""

import torch


def upload(host, device, stream):
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    tensor = source.to(device, non_blocking=True)
    stream.wait_stream(torch.cuda.current_stream(device))
    return tensor, stream.record_event()


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
