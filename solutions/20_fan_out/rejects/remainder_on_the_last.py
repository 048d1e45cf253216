"""test_work_overlaps: chunks of len(fns) // n_streams, and the whole remainder goes to the last stream."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for s in streams:
        s.wait_stream(caller)
    size = max(1, len(fns) // n_streams)
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[min(i // size, n_streams - 1)]):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
