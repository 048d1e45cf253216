"""test_threads: streams in turn, but fn runs in the caller's thread."""

import torch


def parallel_map(fn, items, n_threads):
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_threads)]
    results, errors = [None] * len(items), {}
    for s in streams:
        s.wait_stream(caller)
    for i, item in enumerate(items):
        with torch.cuda.stream(streams[i % n_threads]):
            try:
                results[i] = fn(item)
            except Exception as e:
                errors[i] = e
    for s in streams:
        caller.wait_stream(s)
    if errors:
        raise errors[min(errors)]
    for r in results:
        r.record_stream(caller)
    return results
