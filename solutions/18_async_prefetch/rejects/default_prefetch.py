"""test_loader_with_workers: leaves prefetch at torch's default"""

import queue
import threading

from torch.utils.data import DataLoader

ITEM, ERROR, END = object(), object(), object()


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be at least 1")
        self.source = source
        self.depth = depth

    def __iter__(self):
        ready = queue.Queue(maxsize=self.depth)
        stop = threading.Event()
        thread = threading.Thread(target=fill, args=(self.source, ready, stop), daemon=True)
        thread.start()
        try:
            while True:
                kind, value = ready.get()
                if kind is END:
                    return
                if kind is ERROR:
                    raise value
                yield value
        finally:
            stop.set()
            while not ready.empty():
                ready.get_nowait()


def fill(source, ready, stop):
    try:
        for item in source:
            ready.put((ITEM, item))
            if stop.is_set():
                return
        ready.put((END, None))
    except BaseException as error:
        ready.put((ERROR, error))


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=workers,
    )
