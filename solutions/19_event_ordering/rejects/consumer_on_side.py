"""test_streams: the consumer runs on `side`, between a and b."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        z = consume(x)
        y = b()
    current.wait_stream(side)
    z.record_stream(current)
    y.record_stream(current)
    return z, y
