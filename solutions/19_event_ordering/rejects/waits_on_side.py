"""test_consumer_after_a: the wait is issued inside the `with`, so that `side` waits for its own event."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    ready = torch.cuda.Event()
    with torch.cuda.stream(side):
        x = a()
        ready.record()
        ready.wait()
        y = b()
    z = consume(x)
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
