"""The classical shape: __next__ hands out what preload() has put on its way; one event each."""

import torch


def _walk(x, f):
    if torch.is_tensor(x):
        return f(x)
    if isinstance(x, dict):
        return {k: _walk(v, f) for k, v in x.items()}
    if isinstance(x, list):
        return [_walk(v, f) for v in x]
    if isinstance(x, tuple):
        return tuple(_walk(v, f) for v in x)
    return x


class DevicePrefetcher:
    def __init__(self, source, device):
        self.source = source
        self.device = device
        self.stream = torch.cuda.Stream()

    def __iter__(self):
        self.it = iter(self.source)
        self.preload()
        return self

    def preload(self):
        self.batch = self.ready = self.failure = None
        try:
            host = next(self.it)
        except StopIteration:
            self.failure = StopIteration()
            return
        except Exception as error:
            self.failure = error
            return
        with torch.cuda.stream(self.stream):
            self.batch = _walk(host, lambda t: t.cuda(self.device, non_blocking=True))
            self.ready = torch.cuda.Event()
            self.ready.record()

    def __next__(self):
        if self.failure is not None:
            raise self.failure
        current = torch.cuda.current_stream()
        current.wait_event(self.ready)
        batch = self.batch
        _walk(batch, lambda t: t.record_stream(current))
        self.preload()
        return batch
