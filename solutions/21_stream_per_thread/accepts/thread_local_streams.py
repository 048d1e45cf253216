"""threading.local holds each worker's stream, made at its first item; futures are read in order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


def parallel_map(fn, items, n_threads):
    if len(items) == 0:
        return []
    main_stream = torch.cuda.current_stream()
    device = main_stream.device
    mine, every = threading.local(), []

    def task(item):
        if not hasattr(mine, "stream"):
            mine.stream = torch.cuda.Stream(device=device)
            every.append(mine.stream)
            mine.stream.wait_stream(main_stream)
        with torch.cuda.stream(mine.stream):  # makes the stream's device current as well
            return fn(item)

    pool = ThreadPoolExecutor(max_workers=n_threads)
    try:
        futures = [pool.submit(task, item) for item in items]
    finally:
        pool.shutdown(wait=True)
    for s in every:
        main_stream.wait_stream(s)
    out = [f.result() for f in futures]
    for t in out:
        t.record_stream(main_stream)
    return out
