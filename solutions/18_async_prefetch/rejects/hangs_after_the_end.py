"""test_after_the_end: waits for ever on an empty queue after the end"""

import queue
import threading

from torch.utils.data import DataLoader


class Iteration:
    def __init__(self, source, depth):
        self.ready = queue.Queue(maxsize=depth)
        self.stop = threading.Event()
        threading.Thread(target=fill, args=(source, self.ready, self.stop), daemon=True).start()

    def __iter__(self):
        return self

    def __next__(self):
        if self.stop.is_set():
            raise StopIteration
        kind, value = self.ready.get()
        if kind == "end":
            raise StopIteration
        if kind == "error":
            raise value
        return value

    def close(self):
        self.stop.set()
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


def fill(source, ready, stop):
    try:
        for item in source:
            ready.put(("item", item))
            if stop.is_set():
                return
        ready.put(("end", None))
    except BaseException as error:
        ready.put(("error", error))


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=prefetch if workers else None)
