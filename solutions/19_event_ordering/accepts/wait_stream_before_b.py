"""wait_stream alone, issued before b is enqueued: it covers a and nothing else."""

import torch


def overlap(a, b, consume, side):
    here = torch.cuda.current_stream()
    side.wait_stream(here)
    with torch.cuda.stream(side):
        x = a()
    here.wait_stream(side)
    with torch.cuda.stream(side):
        y = b()
    z = consume(x)
    here.wait_stream(side)
    for t in (x, y):
        t.record_stream(here)
    return z, y
