"""test_results: torch has no `torch.cuda.StreamPool`."""

import torch


def parallel_map(fn, items, n_threads):
    pool = torch.cuda.StreamPool(n_threads)
    handles = [pool.apply_async(fn, item) for item in items]
    pool.wait()
    return [h.result() for h in handles]
