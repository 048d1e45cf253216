"""test_b_before_the_callers_next: b's result is returned, but nothing waits for it."""

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
    x.record_stream(current)
    y.record_stream(current)
    return z, y
