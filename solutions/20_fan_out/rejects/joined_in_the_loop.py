"""test_work_overlaps: fork and join in one loop; each function waits for the one before it, by way of the caller's stream."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for i, fn in enumerate(fns):
        s = streams[i % n_streams]
        s.wait_stream(caller)
        with torch.cuda.stream(s):
            results.append(fn())
        caller.wait_stream(s)
        results[-1].record_stream(caller)
    return results
