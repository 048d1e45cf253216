"""test_exception: the wait after fn is skipped when fn raises."""

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
    stream.wait_stream(caller)
    with torch.cuda.stream(stream):
        result = fn(*args)
    caller.wait_stream(stream)
    _record(result, caller)
    return result
