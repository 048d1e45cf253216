"""test_number_of_streams: range(n_streams + 1)."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams + 1)]
    results = []
    for s in streams:
        s.wait_stream(caller)
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % len(streams)]):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
