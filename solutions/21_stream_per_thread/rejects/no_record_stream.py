"""test_memory: the results' memory goes back to the workers' streams while the caller's stream still reads it."""

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

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in streams:
        caller.wait_stream(s)
    if errors:
        raise errors[min(errors)]
    return results
