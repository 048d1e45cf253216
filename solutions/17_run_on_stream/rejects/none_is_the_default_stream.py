"""test_none_and_same_stream: None is taken for the default stream."""

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
    stream = stream or torch.cuda.default_stream()
    stream.wait_stream(caller)
    try:
        with torch.cuda.stream(stream):
            result = fn(*args)
    finally:
        caller.wait_stream(stream)
    _record(result, caller)
    return result
