"""test_consumer_after_a: the event is recorded before a has launched anything."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        ready = side.record_event()
        x = a()
        y = b()
    current.wait_event(ready)
    z = consume(x)
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
