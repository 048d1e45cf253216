"""test_device: nobody sets the device in the workers, they all run on device 0."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    caller = torch.cuda.current_stream()
    ready = caller.record_event()
    results, errors, streams = [None] * len(items), {}, []

    def work(k):
        stream = torch.cuda.Stream()
        streams.append(stream)
        stream.wait_event(ready)
        with torch.cuda.stream(stream):
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
    for r in results:
        r.record_stream(caller)
    return results
