"""No record_stream for a: `side` waits for the consumer before it can hand out a's memory again."""

import torch


def overlap(a, b, consume, side):
    current = torch.cuda.current_stream()
    before = current.record_event()
    with side:
        side.wait_event(before)
        result_a = a()
        after_a = torch.cuda.Event()
        after_a.record()
        result_b = b()
        after_b = torch.cuda.Event(blocking=True)
        after_b.record()
    current.wait_event(after_a)
    consumed = consume(result_a)
    current.wait_event(after_b)
    side.wait_stream(current)
    del result_a
    result_b.record_stream(current)
    return consumed, result_b
