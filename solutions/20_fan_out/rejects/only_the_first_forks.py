"""test_inputs_are_waited_for: only the first stream waits for the caller's."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    streams[0].wait_stream(caller)
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
