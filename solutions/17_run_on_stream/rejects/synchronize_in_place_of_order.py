"""test_host_does_not_wait: the host waits for both streams, so that order needs no edges."""

import torch


def run_on_stream(fn, stream, *args):
    caller = torch.cuda.current_stream()
    caller.synchronize()
    try:
        with torch.cuda.stream(stream):
            return fn(*args)
    finally:
        (stream or caller).synchronize()
