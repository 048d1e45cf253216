"""test_own_stream: threads without streams all use the default stream."""

from concurrent.futures import ThreadPoolExecutor, wait

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    torch.cuda.default_stream().wait_stream(caller)
    with ThreadPoolExecutor(n_threads, initializer=torch.cuda.set_device, initargs=(device,)) as pool:
        futures = [pool.submit(fn, item) for item in items]
        wait(futures)
    caller.wait_stream(torch.cuda.default_stream())
    results = [f.result() for f in futures]
    for r in results:
        r.record_stream(caller)
    return results
