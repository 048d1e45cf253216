"""test_results_are_joined: each worker joins its stream to `current_stream()` of its own thread."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]
    results, errors = [None] * len(items), {}

    def work(k):
        torch.cuda.set_device(device)
        streams[k].wait_event(ready)
        with torch.cuda.stream(streams[k]):
            for i in range(k, len(items), n_threads):
                try:
                    results[i] = fn(items[i])
                except Exception as e:
                    errors[i] = e
        torch.cuda.current_stream().wait_stream(streams[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[min(errors)]
    for r in results:
        r.record_stream(caller)
    return results
