"""test_results: the class is taken from torch.cuda, which has none."""

import torch


class StreamPool:
    def __init__(self, n_streams):
        self.pool = torch.cuda.StreamPool(n_streams)

    def apply_async(self, fn, *args):
        return self.pool.apply_async(fn, *args)

    def wait(self):
        self.pool.wait()

    def close(self):
        self.pool.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
