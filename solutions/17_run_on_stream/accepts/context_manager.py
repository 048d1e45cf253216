"""A context manager of one's own around fn; arguments are recorded too, which is never wrong."""

import contextlib

import torch


@contextlib.contextmanager
def on(stream):
    home = torch.cuda.current_stream()
    stream.wait_stream(home)
    with torch.cuda.stream(stream):
        try:
            yield home
        finally:
            home.wait_stream(stream)


def tensors(tree):
    stack = [tree]
    while stack:
        x = stack.pop()
        if isinstance(x, torch.Tensor):
            yield x
        elif isinstance(x, dict):
            stack += x.values()
        elif isinstance(x, (list, tuple)):
            stack += x


def run_on_stream(fn, stream, *args):
    with on(stream or torch.cuda.current_stream()) as home:
        for t in tensors(args):
            if t.is_cuda:
                t.record_stream(torch.cuda.current_stream())
        result = fn(*args)
        for t in tensors(result):
            if t.is_cuda:
                t.record_stream(home)
    return result
