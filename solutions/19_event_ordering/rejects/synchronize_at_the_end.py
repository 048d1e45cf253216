"""test_host_does_not_wait: b is waited for by the host."""

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
    torch.cuda.synchronize()
    y.record_stream(current)
    return z, y
