"""An iterator class with a deque and a condition; the thread knows the shared state, not the iterator."""

import threading
from collections import deque

from torch.utils.data import DataLoader


class _Shared:
    def __init__(self, depth):
        self.items = deque()
        self.depth = depth
        self.lock = threading.Condition()
        self.closed = False
        self.finished = False
        self.error = None


def _produce(source, shared):
    error = None
    try:
        for item in source:
            with shared.lock:
                while len(shared.items) >= shared.depth and not shared.closed:
                    shared.lock.wait()
                if shared.closed:
                    return
                shared.items.append(item)
                shared.lock.notify_all()
    except BaseException as caught:
        error = caught
    with shared.lock:
        shared.error = error
        shared.finished = True
        shared.lock.notify_all()


class _Iterator:
    def __init__(self, source, depth):
        self._shared = _Shared(depth)
        thread = threading.Thread(target=_produce, args=(source, self._shared))
        thread.daemon = True
        thread.start()

    def __iter__(self):
        return self

    def __next__(self):
        shared = self._shared
        with shared.lock:
            shared.lock.wait_for(lambda: shared.items or shared.finished or shared.closed)
            if shared.closed:
                raise StopIteration
            if shared.items:
                item = shared.items.popleft()
                shared.lock.notify_all()
                return item
            error, shared.error = shared.error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self):
        with self._shared.lock:
            self._shared.closed = True
            self._shared.items.clear()
            self._shared.lock.notify_all()

    def __del__(self):
        self.close()


class Prefetcher:
    def __init__(self, source, depth):
        if depth <= 0:
            raise ValueError("depth")
        self._arguments = source, depth

    def __iter__(self):
        return _Iterator(*self._arguments)


def make_loader(dataset, batch_size, workers, prefetch):
    if workers == 0:
        return DataLoader(dataset, batch_size)
    return DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=prefetch)
