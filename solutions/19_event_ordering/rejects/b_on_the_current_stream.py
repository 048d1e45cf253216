"""test_streams: only a runs on `side`; b comes after the `with`."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
    current.wait_stream(side)
    z = consume(x)
    y = b()
    x.record_stream(current)
    return z, y
