"""A semaphore of free places and an unbounded SimpleQueue; weakref.finalize closes a dropped iterator."""

import threading
import weakref
from queue import SimpleQueue

from torch.utils.data import DataLoader


def _work(source, places, ready, stopped):
    try:
        iterator = iter(source)
        while True:
            places.acquire()
            if stopped.is_set():
                break
            ready.put(("item", next(iterator)))
    except StopIteration:
        pass
    except BaseException as error:
        ready.put(("error", error))
    ready.put(("end", None))


def _stop(places, stopped):
    stopped.set()
    places.release()


class Run:
    def __init__(self, source, depth):
        self.places, self.ready, self.stopped = threading.Semaphore(depth), SimpleQueue(), threading.Event()
        self.done = False
        self.close = weakref.finalize(self, _stop, self.places, self.stopped)
        self.close.atexit = False
        threading.Thread(
            target=_work, args=(source, self.places, self.ready, self.stopped), daemon=True
        ).start()

    def __iter__(self):
        return self

    def __next__(self):
        if self.done or self.stopped.is_set():
            raise StopIteration
        kind, value = self.ready.get()
        if kind == "item":
            self.places.release()
            return value
        self.done = True
        raise StopIteration if kind == "end" else value


class Prefetcher:
    def __init__(self, source, depth):
        assert_positive = depth >= 1
        if not assert_positive:
            raise ValueError(depth)
        self.start = lambda: Run(source, depth)

    def __iter__(self):
        return self.start()


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(
        dataset, batch_size, num_workers=workers, prefetch_factor=(prefetch if workers else None)
    )
