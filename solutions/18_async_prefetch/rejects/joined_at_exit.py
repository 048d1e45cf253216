"""test_exit: an atexit function joins the thread"""

import atexit
import queue
import threading

from torch.utils.data import DataLoader


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be at least 1")
        self.source, self.depth = source, depth

    def __iter__(self):
        ready, stop = queue.Queue(maxsize=self.depth), threading.Event()
        thread = threading.Thread(target=fill, args=(self.source, ready, stop), daemon=True)
        thread.start()
        atexit.register(thread.join)
        try:
            while True:
                kind, value = ready.get()
                if kind == "end":
                    return
                if kind == "error":
                    raise value
                yield value
        finally:
            stop.set()
            while not ready.empty():
                ready.get_nowait()


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
