"""test_work_overlaps: one function on each stream, and the whole rest on the last one."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for s in streams:
        s.wait_stream(caller)
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[min(i, n_streams - 1)]):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
