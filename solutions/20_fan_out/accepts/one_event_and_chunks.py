"""One event for the fork, contiguous chunks, events for the join."""

import torch


def run_parallel(fns, n_streams):
    results, finished = [], []
    start = torch.cuda.current_stream().record_event()
    size = -(-len(fns) // n_streams) or 1
    for first in range(0, len(fns), size):
        s = torch.cuda.Stream()
        s.wait_event(start)
        with torch.cuda.stream(s):
            results += [fn() for fn in fns[first : first + size]]
            finished.append(s.record_event())
    for event in finished:
        event.wait()
    for r in results:
        r.record_stream(torch.cuda.current_stream())
    return results
