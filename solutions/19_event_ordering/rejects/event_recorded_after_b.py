"""test_consumer_does_not_wait_for_b: the event is recorded after b."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    ready = torch.cuda.Event()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        y = b()
        ready.record()
    ready.wait()
    z = consume(x)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
