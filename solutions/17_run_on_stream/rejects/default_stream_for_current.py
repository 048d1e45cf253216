"""test_after_the_callers_work: the default stream is taken for the caller's."""

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
    if stream is None:
        return fn(*args)
    main = torch.cuda.default_stream()
    stream.wait_stream(main)
    try:
        with torch.cuda.stream(stream):
            result = fn(*args)
    finally:
        main.wait_stream(stream)
    _record(result, main)
    return result
