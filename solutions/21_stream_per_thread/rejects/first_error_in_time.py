"""test_errors: the error that happened first is raised, not the one of the lowest index."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]
    results, errors = [None] * len(items), []

    def work(k):
        torch.cuda.set_device(device)
        streams[k].wait_event(ready)
        with torch.cuda.stream(streams[k]):
            for i in range(k, len(items), n_threads):
                try:
                    results[i] = fn(items[i])
                except Exception as e:
                    errors.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in streams:
        caller.wait_stream(s)
    if errors:
        raise errors[0]
    for r in results:
        r.record_stream(caller)
    return results
