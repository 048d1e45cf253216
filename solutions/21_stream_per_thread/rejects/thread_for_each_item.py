"""test_threads: a thread for each item, n_threads is ignored."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = [torch.cuda.Stream(device) for _ in items]
    results, errors = [None] * len(items), {}

    def work(i):
        torch.cuda.set_device(device)
        streams[i].wait_event(ready)
        with torch.cuda.stream(streams[i]):
            try:
                results[i] = fn(items[i])
            except Exception as e:
                errors[i] = e

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(items))]
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
