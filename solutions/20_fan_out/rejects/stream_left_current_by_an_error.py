"""test_current_stream_restored: the way back is not in a `finally`, and an error does not take it."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for s in streams:
        s.wait_stream(caller)
    for i, fn in enumerate(fns):
        torch.cuda.set_stream(streams[i % n_streams])
        results.append(fn())
        torch.cuda.set_stream(caller)
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
