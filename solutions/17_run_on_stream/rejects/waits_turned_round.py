"""test_after_the_callers_work: each of the two streams waits where the other one should."""

import torch


def _record(value, stream):
    if isinstance(value, torch.Tensor) and value.is_cuda:
        value.record_stream(stream)
    elif isinstance(value, dict):
        _record(list(value.values()), stream)
    elif isinstance(value, (list, tuple)):
        for v in value:
            _record(v, stream)


def run_on_stream(fn, stream, *args):
    caller = torch.cuda.current_stream()
    stream = stream or caller
    caller.wait_stream(stream)
    try:
        with torch.cuda.stream(stream):
            result = fn(*args)
    finally:
        stream.wait_stream(caller)
    _record(result, caller)
    return result
