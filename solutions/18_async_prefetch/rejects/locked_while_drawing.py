"""test_slow_source: holds the lock while the source makes the next item"""

import threading
import weakref
from collections import deque

from torch.utils.data import DataLoader


class Shared:
    def __init__(self, depth):
        self.turn, self.items, self.depth = threading.Condition(), deque(), depth
        self.closed, self.finished, self.error = False, False, None

    def close(self):
        with self.turn:
            self.closed = True
            self.turn.notify_all()


def fill(source, shared):
    error = None
    try:
        iterator = iter(source)
        while True:
            with shared.turn:
                shared.turn.wait_for(lambda: len(shared.items) < shared.depth or shared.closed)
                if shared.closed:
                    return
                shared.items.append(next(iterator))
                shared.turn.notify_all()
    except StopIteration:
        pass
    except BaseException as caught:
        error = caught
    with shared.turn:
        shared.finished, shared.error = True, error
        shared.turn.notify_all()


class Iteration:
    def __init__(self, source, depth):
        self.shared = Shared(depth)
        weakref.finalize(self, self.shared.close)
        threading.Thread(target=fill, args=(source, self.shared), daemon=True).start()

    def __iter__(self):
        return self

    def __next__(self):
        shared = self.shared
        with shared.turn:
            shared.turn.wait_for(lambda: shared.items or shared.finished or shared.closed)
            if shared.items and not shared.closed:
                shared.turn.notify_all()
                return shared.items.popleft()
            error, shared.error = shared.error, None
        if error is not None and not shared.closed:
            raise error
        raise StopIteration

    def close(self):
        self.shared.close()


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be at least 1")
        self.source, self.depth = source, depth

    def __iter__(self):
        return Iteration(self.source, self.depth)


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=prefetch if workers else None)
