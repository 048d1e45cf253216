"""test_host_does_not_wait: the host waits for the event before it launches the consumer."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        x = a()
        ready = side.record_event()
        y = b()
    ready.synchronize()
    z = consume(x)
    current.wait_stream(side)
    x.record_stream(current)
    y.record_stream(current)
    return z, y
