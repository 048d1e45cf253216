"""test_empty: ThreadPoolExecutor(0) raises when there are no items."""

from concurrent.futures import ThreadPoolExecutor, wait

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = []

    def enter():
        torch.cuda.set_device(device)
        streams.append(torch.cuda.Stream())
        torch.cuda.set_stream(streams[-1])
        ready.wait()

    with ThreadPoolExecutor(min(n_threads, len(items)), initializer=enter) as pool:
        futures = [pool.submit(fn, item) for item in items]
        wait(futures)
    for s in streams:
        caller.wait_stream(s)
    results = [f.result() for f in futures]
    for r in results:
        r.record_stream(caller)
    return results
