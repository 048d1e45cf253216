"""test_b_does_not_wait_for_the_consumer: a, the consumer and b run one after another."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
    current.wait_stream(side)
    z = consume(x)
    side.wait_stream(current)
    with torch.cuda.stream(side):
        y = b()
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
