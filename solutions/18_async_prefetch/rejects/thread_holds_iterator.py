"""test_dropped: the thread holds its own iterator, so that dropping it never closes it"""

import queue
import threading

from torch.utils.data import DataLoader


class Iteration:
    def __init__(self, source, depth):
        self.source = source
        self.ready = queue.Queue(maxsize=depth)
        self.stopped = False
        threading.Thread(target=self.fill, daemon=True).start()

    def fill(self):
        try:
            for item in self.source:
                self.ready.put(("item", item))
                if self.stopped:
                    return
            self.ready.put(("end", None))
        except BaseException as error:
            self.ready.put(("error", error))

    def __iter__(self):
        return self

    def __next__(self):
        if self.stopped:
            raise StopIteration
        kind, value = self.ready.get()
        if kind == "item":
            return value
        self.stopped = True
        if kind == "error":
            raise value
        raise StopIteration

    def close(self):
        self.stopped = True
        while not self.ready.empty():
            self.ready.get_nowait()

    __del__ = close


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be at least 1")
        self.source, self.depth = source, depth

    def __iter__(self):
        return Iteration(self.source, self.depth)


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=prefetch if workers else None)
