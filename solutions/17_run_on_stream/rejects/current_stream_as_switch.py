"""test_on_the_stream: `torch.cuda.current_stream(stream)` switches nothing; its argument is a device."""

import torch


def run_on_stream(fn, stream, *args):
    caller = torch.cuda.current_stream()
    if stream is not None:
        stream.wait_stream(caller)
    torch.cuda.current_stream(stream)
    result = fn(*args)
    if stream is not None:
        caller.wait_stream(stream)
    return result
