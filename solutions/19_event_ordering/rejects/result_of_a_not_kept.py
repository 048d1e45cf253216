"""test_memory_of_a: a's memory goes back to `side` while the consumer still reads it."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        ready = side.record_event()
        y = b()
    current.wait_event(ready)
    z = consume(x)
    current.wait_stream(side)
    y.record_stream(current)
    return z, y
