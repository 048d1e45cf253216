"""`with stream:` (a stream is a context manager), an ExitStack for the way back."""

from contextlib import ExitStack

import torch


def _record(value, stream):
    match value:
        case torch.Tensor() if value.is_cuda:
            value.record_stream(stream)
        case dict():
            [_record(v, stream) for v in value.values()]
        case list() | tuple():
            [_record(v, stream) for v in value]
    return value


def run_on_stream(fn, stream, *args):
    if stream is None:
        return fn(*args)
    caller = torch.cuda.current_stream()
    stream.wait_event(caller.record_event())
    with ExitStack() as stack:
        stack.callback(lambda: caller.wait_event(stream.record_event()))
        stack.enter_context(stream)
        return _record(fn(*args), caller)
