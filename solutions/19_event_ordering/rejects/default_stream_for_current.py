"""test_after_the_callers_work: `side` waits for the default stream, on which the caller need not be."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.default_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        ready = side.record_event()
        y = b()
    current.wait_event(ready)
    z = consume(x)
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
