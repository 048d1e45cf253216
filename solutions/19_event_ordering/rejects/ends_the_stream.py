"""test_consumer_after_a: `side.wait_stream(current)` is meant to end `side`; it makes side wait, and ends nothing."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        y = b()
    side.wait_stream(current)
    x.record_stream(current)
    y.record_stream(current)
    return consume(x), y
