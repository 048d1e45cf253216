"""test_after_the_callers_work: the caller's stream is asked for inside the `with`, where it is `stream` itself."""

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
    with torch.cuda.stream(stream):
        if stream is not None:
            stream.wait_stream(torch.cuda.current_stream())
        result = fn(*args)
    if stream is not None:
        torch.cuda.current_stream().wait_stream(stream)
    _record(result, torch.cuda.current_stream())
    return result
