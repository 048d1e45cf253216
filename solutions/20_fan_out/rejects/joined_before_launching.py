"""test_joined: the waits of the caller's stream are issued before the functions have launched anything."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    for s in streams:
        s.wait_stream(caller)
        caller.wait_stream(s)
    results = []
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fn())
    for r in results:
        r.record_stream(caller)
    return results
