"""test_own_stream: one side stream is shared by all workers."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    side = torch.cuda.Stream(device)
    side.wait_stream(caller)
    results, errors = [None] * len(items), {}

    def work(k):
        torch.cuda.set_device(device)
        with torch.cuda.stream(side):
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
    caller.wait_stream(side)
    if errors:
        raise errors[min(errors)]
    for r in results:
        r.record_stream(caller)
    return results
