"""test_inputs_are_waited_for: forks from the default stream, on which the caller need not be."""

import torch


def run_parallel(fns, n_streams):
    main = torch.cuda.default_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = []
    for s in streams:
        s.wait_stream(main)
    for i, fn in enumerate(fns):
        with torch.cuda.stream(streams[i % n_streams]):
            results.append(fn())
    for s in streams:
        main.wait_stream(s)
    for r in results:
        r.record_stream(main)
    return results
