"""test_host_does_not_wait: a device-wide synchronize joins the stream."""

import torch


def run_on_stream(fn, stream, *args):
    if stream is None:
        return fn(*args)
    stream.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(stream):
            return fn(*args)
    finally:
        torch.cuda.synchronize()
