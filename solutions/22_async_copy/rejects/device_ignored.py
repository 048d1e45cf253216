"""test_upload_device: everything goes to the current device, `device` is not looked at."""

import torch


def upload(host, device, stream):
    user = torch.cuda.current_stream()
    source = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    if stream.device.index == torch.cuda.current_device():
        with torch.cuda.stream(stream):
            tensor = source.to("cuda", non_blocking=True)
            event = stream.record_event()
        tensor.record_stream(user)
    else:
        tensor = source.to("cuda", non_blocking=True)
        event = user.record_event()
    return tensor, event


def download(tensor, out=None):
    if out is None:
        return tensor.cpu()
    if out.shape != tensor.shape or out.dtype != tensor.dtype:
        raise ValueError("out does not fit")
    return out.copy_(tensor)
