"""test_streams: set_stream without the way back, so that the consumer and all that follows run on `side`."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    torch.cuda.set_stream(side)
    x = a()
    ready = side.record_event()
    y = b()
    current.wait_event(ready)
    z = consume(x)
    current.wait_stream(side)
    for t in (x, y, z):
        t.record_stream(current)
    return z, y
