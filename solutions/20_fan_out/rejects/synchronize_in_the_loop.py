"""test_host_does_not_wait: each stream is synchronized after its function."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for s in streams:
        s.wait_stream(caller)
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fn())
        streams[i % n_streams].synchronize()
    for r in results:
        r.record_stream(caller)
    return results
