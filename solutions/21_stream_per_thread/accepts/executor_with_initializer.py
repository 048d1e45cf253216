"""A ThreadPoolExecutor whose initializer sets device and stream; futures keep order and errors."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = torch.cuda.Event()
    ready.record(caller)
    lock, streams = threading.Lock(), []

    def enter():
        torch.cuda.set_device(device)
        stream = torch.cuda.Stream()
        torch.cuda.set_stream(stream)
        ready.wait()
        with lock:
            streams.append(stream)

    with ThreadPoolExecutor(n_threads, initializer=enter) as pool:
        futures = [pool.submit(fn, item) for item in items]
        wait(futures)
    for stream in streams:
        caller.wait_stream(stream)
    results = [future.result() for future in futures]
    for tensor in results:
        tensor.record_stream(caller)
    return results
