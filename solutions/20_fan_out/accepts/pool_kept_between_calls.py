"""Streams made at the first call and kept for good; a class around them; `with stream:`."""

import torch


class _Streams:
    made = []

    @classmethod
    def get(cls, n):
        while len(cls.made) < n:
            cls.made.append(torch.cuda.Stream())
        return cls.made[:n]


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [s for s in _Streams.get(n_streams + 1) if s != caller][:n_streams]
    results = [None] * len(fns)
    for k, stream in enumerate(streams):
        stream.wait_stream(caller)
        with stream:
            for i in range(k, len(fns), n_streams):
                results[i] = fns[i]()
                results[i].record_stream(caller)
    for stream in streams:
        caller.wait_stream(stream)
    return results
