"""test_memory: the results' memory goes back to `stream` while the caller's stream still reads it."""

import torch


def run_on_stream(fn, stream, *args):
    caller = torch.cuda.current_stream()
    stream = stream or caller
    stream.wait_stream(caller)
    try:
        with torch.cuda.stream(stream):
            return fn(*args)
    finally:
        caller.wait_stream(stream)
