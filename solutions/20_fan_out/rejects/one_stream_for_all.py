"""test_work_overlaps: all functions run on the first stream."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    streams[0].wait_stream(caller)
    with torch.cuda.stream(streams[0]):
        results = [fn() for fn in fns]
    caller.wait_stream(streams[0])
    for r in results:
        r.record_stream(caller)
    return results
