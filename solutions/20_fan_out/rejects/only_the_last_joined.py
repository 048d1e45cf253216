"""test_joined: the caller's stream waits for the stream of the last function only."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results, s = [], None
    for s in streams:
        s.wait_stream(caller)
    for i, fn in enumerate(fns):
        s = streams[i % n_streams]
        with torch.cuda.stream(s):
            results.append(fn())
    if s is not None:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
