"""test_consumer_does_not_wait_for_b: one event for both, recorded again after b before the wait is issued."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    event = torch.cuda.Event()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        event.record()
        y = b()
        event.record()
    current.wait_event(event)
    z = consume(x)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
