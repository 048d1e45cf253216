"""test_consumer_after_a: record() after the `with` records on the current stream, which then waits for itself."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    ready = torch.cuda.Event()
    with torch.cuda.stream(side):
        x = a()
    ready.record()
    with torch.cuda.stream(side):
        y = b()
    current.wait_event(ready)
    z = consume(x)
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
