"""test_errors: an error in a worker is printed and forgotten, its result is None."""

import threading
import traceback

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]
    results = [None] * len(items)

    def work(k):
        torch.cuda.set_device(device)
        streams[k].wait_event(ready)
        with torch.cuda.stream(streams[k]):
            for i in range(k, len(items), n_threads):
                try:
                    results[i] = fn(items[i])
                except Exception:
                    traceback.print_exc()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in streams:
        caller.wait_stream(s)
    for r in results:
        if r is not None:
            r.record_stream(caller)
    return results
