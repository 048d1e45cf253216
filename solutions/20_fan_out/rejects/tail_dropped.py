"""test_results: functions beyond a whole multiple of n_streams are left out."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for s in streams:
        s.wait_stream(caller)
    for i in range(0, len(fns) // n_streams * n_streams):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fns[i]())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
