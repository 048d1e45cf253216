"""test_consumer_after_a: the event is waited for before it has been recorded, which waits for nothing."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    ready = torch.cuda.Event()
    current.wait_event(ready)
    with torch.cuda.stream(side):
        x = a()
        ready.record()
        y = b()
    z = consume(x)
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
