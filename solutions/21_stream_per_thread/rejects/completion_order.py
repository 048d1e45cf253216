"""test_results: results are appended as they come in."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]
    results, errors, lock = [], {}, threading.Lock()
    source = iter(enumerate(items))

    def work(stream):
        torch.cuda.set_device(device)
        stream.wait_event(ready)
        with torch.cuda.stream(stream):
            while True:
                with lock:
                    pair = next(source, None)
                if pair is None:
                    return
                try:
                    results.append(fn(pair[1]))
                except Exception as e:
                    errors[pair[0]] = e

    threads = [threading.Thread(target=work, args=(s,)) for s in streams]
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
