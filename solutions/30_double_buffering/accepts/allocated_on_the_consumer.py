"""Buffers in memory of the stream that is current when the copy is launched; both streams recorded."""

from collections import deque

import torch


def put(x, device, stream):
    if isinstance(x, torch.Tensor):
        y = torch.empty(x.shape, dtype=x.dtype, device=device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            y.copy_(x, non_blocking=True)
        y.record_stream(stream)
        return y
    if isinstance(x, dict):
        return dict(zip(x, (put(v, device, stream) for v in x.values())))
    if isinstance(x, (list, tuple)):
        return type(x)([put(v, device, stream) for v in x])
    return x


def leaves(x):
    if isinstance(x, torch.Tensor):
        yield x
    elif isinstance(x, dict):
        for v in x.values():
            yield from leaves(v)
    elif isinstance(x, (list, tuple)):
        for v in x:
            yield from leaves(v)


class DevicePrefetcher:
    def __init__(self, source, device):
        self.source = source
        self.device = device

    def __iter__(self):
        side = torch.cuda.Stream()
        queue, error = deque(), None
        source = iter(self.source)

        def fill():
            nonlocal error
            if error is None:
                try:
                    batch = next(source)
                except Exception as e:
                    error = e
                else:
                    queue.append((put(batch, self.device, side), side.record_event()))

        fill()
        while queue:
            batch, ready = queue.popleft()
            ready.wait()
            for t in leaves(batch):
                t.record_stream(torch.cuda.current_stream())
            fill()
            yield batch
        if type(error) is not StopIteration:
            raise error
