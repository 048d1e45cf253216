"""test_one_background_thread: starts a thread for each item"""

import queue
import threading

from torch.utils.data import DataLoader

END = object()


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be at least 1")
        self.source = source
        self.depth = depth

    def __iter__(self):
        iterator, results = iter(self.source), queue.Queue()
        keep = []

        def draw():
            try:
                results.put((True, next(iterator)))
            except StopIteration:
                results.put((False, END))
            except BaseException as error:
                results.put((False, error))

        def start():
            hold = threading.Event()
            keep.append(hold)
            thread = threading.Thread(target=lambda: (draw(), hold.wait()), daemon=True)
            thread.start()

        try:
            for _ in range(self.depth):
                start()
            while True:
                good, value = results.get()
                if good:
                    start()
                    yield value
                elif value is END:
                    return
                else:
                    raise value
        finally:
            for hold in keep:
                hold.set()


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=prefetch if workers else None)
