"""functools.singledispatch for the targets; set_stream with try/finally and Stream.synchronize for fetch."""

from functools import singledispatch

import torch


def fetch(tensor, stream):
    before = torch.cuda.current_stream()
    out = torch.zeros(tuple(tensor.shape), dtype=tensor.dtype)
    torch.cuda.set_stream(stream)
    try:
        out.copy_(tensor, non_blocking=True)
        stream.synchronize()
    finally:
        torch.cuda.set_stream(before)
    return out


@singledispatch
def _wait(target):
    raise TypeError(f"cannot wait for {target!r}")


@_wait.register(torch.cuda.Stream)
def _(target):
    target.record_event().synchronize()


@_wait.register(torch.cuda.Event)
def _(target):
    target.synchronize()


@_wait.register(torch.device)
def _(target):
    torch.cuda.synchronize(target)


@_wait.register(type(None))
def _(target):
    torch.cuda.synchronize()


def wait_for(target=None):
    _wait(target)
