"""test_exception: the wait after fn stands under `except Exception`, which a KeyboardInterrupt passes by."""

import torch


def _keep(value, stream):
    if isinstance(value, torch.Tensor) and value.is_cuda:
        value.record_stream(stream)
    elif isinstance(value, dict):
        _keep(list(value.values()), stream)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _keep(item, stream)


def run_on_stream(fn, stream, *args):
    caller = torch.cuda.current_stream()
    stream = stream or caller
    stream.wait_stream(caller)
    try:
        with torch.cuda.stream(stream):
            result = fn(*args)
    except Exception:
        caller.wait_stream(stream)
        raise
    caller.wait_stream(stream)
    _keep(result, caller)
    return result
