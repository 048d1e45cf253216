"""test_work_overlaps: `torch.cuda.current_stream(s)` switches nothing, all work stays on the caller's stream."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for i, fn in enumerate(fns):
        s = streams[i % n_streams]
        s.wait_stream(caller)
        torch.cuda.current_stream(s)
        results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    return results
