"""test_result: `torch.cuda.stream()` is taken for a factory of pools; it wants a stream and makes none."""

import torch


def run_on_stream(fn, stream, *args):
    pool = torch.cuda.stream()
    with pool:
        return fn(*args)
