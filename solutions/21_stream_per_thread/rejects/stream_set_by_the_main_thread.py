"""test_own_stream: the main thread sets streams current; the workers do not see it."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]
    results, errors, threads = [None] * len(items), {}, []

    def work(k):
        torch.cuda.set_device(device)
        for i in range(k, len(items), n_threads):
            try:
                results[i] = fn(items[i])
            except Exception as e:
                errors[i] = e

    for k, s in enumerate(streams):
        s.wait_stream(caller)
        with torch.cuda.stream(s):
            t = threading.Thread(target=work, args=(k,))
            t.start()
            threads.append(t)
    for t in threads:
        t.join()
    for s in streams:
        caller.wait_stream(s)
    if errors:
        raise errors[min(errors)]
    for r in results:
        r.record_stream(caller)
    return results
