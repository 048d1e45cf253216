"""test_host_does_not_wait: the fork waits on the host for the caller's stream."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    caller.synchronize()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
