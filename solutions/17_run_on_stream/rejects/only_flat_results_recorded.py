"""test_memory: a tensor is recorded, a nested one is not."""

import torch


def run_on_stream(fn, stream, *args):
    caller = torch.cuda.current_stream()
    stream = stream or caller
    stream.wait_stream(caller)
    try:
        with torch.cuda.stream(stream):
            result = fn(*args)
    finally:
        caller.wait_stream(stream)
    for item in result if isinstance(result, (list, tuple)) else [result]:
        if isinstance(item, torch.Tensor) and item.is_cuda:
            item.record_stream(caller)
    return result
