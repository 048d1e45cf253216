"""wait() goes over the last event of each stream; results as (ok, value) pairs; a dataclass handle."""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass
class Handle:
    ok: bool
    value: Any
    event: torch.cuda.Event

    def result(self):
        stream = torch.cuda.current_stream()
        self.event.wait(stream)
        if not self.ok:
            raise self.value
        if isinstance(self.value, torch.Tensor):
            self.value.record_stream(stream)
        return self.value


class StreamPool:
    closed = False

    def __init__(self, n_streams):
        self.n = n_streams
        self.count = 0
        self.streams = {k: torch.cuda.Stream() for k in range(n_streams)}
        self.last = {}

    def apply_async(self, fn, *args):
        if self.closed:
            raise RuntimeError("this pool has been closed")
        k, self.count = self.count % self.n, self.count + 1
        s = self.streams[k]
        start = torch.cuda.Event()
        start.record()
        s.wait_event(start)
        with torch.cuda.stream(s):
            [a.record_stream(s) for a in args if isinstance(a, torch.Tensor)]
            try:
                pair = True, fn(*args)
            except Exception as e:
                pair = False, e
        self.last[k] = s.record_event()
        return Handle(*pair, self.last[k])

    def wait(self):
        for event in self.last.values():
            event.wait()

    def close(self):
        if self.closed:
            return
        self.closed = True
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
