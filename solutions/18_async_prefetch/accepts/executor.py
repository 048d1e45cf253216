"""No queue: `depth` futures in flight on an executor with one thread, each draws one item."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch

_END = object()


class _Drawer:
    def __init__(self, source):
        self.source = source
        self.iterator = None

    def __call__(self):
        if self.iterator is None:
            self.iterator = iter(self.source)
        try:
            return True, next(self.iterator)
        except StopIteration:
            return False, _END
        except BaseException as error:
            return False, error


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be positive")
        self.source = source
        self.depth = depth

    def __iter__(self):
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        draw = _Drawer(self.source)
        pending = deque()
        try:
            for _ in range(self.depth):
                pending.append(pool.submit(draw))
            while True:
                good, value = pending.popleft().result()
                if good:
                    pending.append(pool.submit(draw))
                    yield value
                elif value is _END:
                    return
                else:
                    raise value
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def make_loader(dataset, batch_size, workers, prefetch):
    extra = {"prefetch_factor": prefetch} if workers else {}
    return torch.utils.data.DataLoader(
        dataset, batch_size=batch_size, shuffle=False, num_workers=workers, **extra
    )
