"""test_results: `torch.cuda.stream()` without a stream, ended by waiting for the current stream."""

import torch


def overlap(a, b, consume, side):
    work = torch.cuda.stream()
    with work:
        x = a()
        y = b()
    work.wait_stream(torch.cuda.current_stream())
    return consume(x), y
