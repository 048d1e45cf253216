"""test_errors: an error ends its worker, whose remaining items are never run."""

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
        i = k
        try:
            with torch.cuda.stream(streams[k]):
                for i in range(k, len(items), n_threads):
                    results[i] = fn(items[i])
        except Exception as e:
            errors[i] = e

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in streams:
        caller.wait_stream(s)
    if errors:
        raise errors[min(errors)]
    for r in results:
        r.record_stream(caller)
    return results
