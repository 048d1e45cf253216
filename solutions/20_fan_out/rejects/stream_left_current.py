"""test_current_stream_restored: set_stream without the way back."""

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
    for s in streams:
        torch.cuda.current_stream().wait_stream(s)
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
        r.record_stream(torch.cuda.current_stream())
    return results
