"""test_after_the_callers_work: `side` starts at once, whatever the current stream still has to do."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
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
