"""test_nothing_kept: a's result is an attribute of b's and lives as long as that."""

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
    y.made_beside = x
    return z, y
