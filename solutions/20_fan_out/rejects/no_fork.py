"""test_inputs_are_waited_for: the streams start at once, while the caller's stream still writes their inputs."""

import torch


def run_parallel(fns, n_streams):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fn())
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        r.record_stream(caller)
    return results
