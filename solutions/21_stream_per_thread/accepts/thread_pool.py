"""multiprocessing.pool.ThreadPool, whose initializer sets a stream in each thread; errors come as values."""

from multiprocessing.pool import ThreadPool
from queue import SimpleQueue

import torch


def parallel_map(fn, items, n_threads):
    caller = torch.cuda.current_stream()
    lanes, free = [torch.cuda.Stream(caller.device) for _ in range(n_threads)], SimpleQueue()
    for lane in lanes:
        lane.wait_stream(caller)
        free.put(lane)

    def guarded(item):
        try:
            return fn(item), None
        except Exception as error:
            return None, error

    pool = ThreadPool(n_threads, initializer=lambda: torch.cuda.set_stream(free.get()))
    try:
        outcomes = pool.map(guarded, items, chunksize=1)
    finally:
        pool.close()
        pool.join()
    for lane in lanes:
        caller.wait_stream(lane)
    for _, error in outcomes:
        if error is not None:
            raise error
    for result, _ in outcomes:
        result.record_stream(caller)
    return [result for result, _ in outcomes]
