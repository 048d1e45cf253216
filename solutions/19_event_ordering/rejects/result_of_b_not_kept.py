"""test_memory_of_b: the allocator is told of a's result, not of b's."""

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
    x.record_stream(current)
    return z, y
