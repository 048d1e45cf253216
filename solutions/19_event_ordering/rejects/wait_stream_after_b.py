"""test_consumer_does_not_wait_for_b: wait_stream comes after b has been enqueued, and covers it."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        y = b()
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return consume(x), y
