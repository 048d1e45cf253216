"""The consumer is enqueued before b; three explicit events; set_stream with try/finally."""

import torch


def _on(stream, fn):
    previous = torch.cuda.current_stream()
    torch.cuda.set_stream(stream)
    try:
        return fn()
    finally:
        torch.cuda.set_stream(previous)


def overlap(a, b, consume, side):
    start, a_ready, b_ready = (torch.cuda.Event() for _ in range(3))
    start.record()
    start.wait(side)
    first = _on(side, a)
    a_ready.record(side)
    a_ready.wait()
    first.record_stream(torch.cuda.current_stream())
    consumed = consume(first)
    second = _on(side, b)
    b_ready.record(side)
    b_ready.wait()
    second.record_stream(torch.cuda.current_stream())
    return consumed, second
