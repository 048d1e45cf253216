"""The producer looks at the event every few milliseconds instead of being woken."""

import queue
import threading

from torch.utils.data import BatchSampler, DataLoader, SequentialSampler


class Prefetcher:
    def __init__(self, source, depth):
        if not depth > 0:
            raise ValueError("depth has to be at least one")
        self.source, self.depth = source, depth

    def __iter__(self):
        box, leaving = queue.Queue(self.depth), threading.Event()

        def offer(*entry):
            while not leaving.is_set():
                try:
                    return box.put(entry, timeout=0.005)
                except queue.Full:
                    pass

        def produce(source):
            try:
                for item in source:
                    offer(0, item)
                    if leaving.is_set():
                        return
                offer(1, None)
            except BaseException as error:
                offer(2, error)

        threading.Thread(None, produce, args=(self.source,), daemon=True).start()
        try:
            while (entry := box.get())[0] == 0:
                yield entry[1]
            if entry[0] == 2:
                raise entry[1]
        finally:
            leaving.set()


def make_loader(dataset, batch_size, workers, prefetch):
    sampler = BatchSampler(SequentialSampler(dataset), batch_size, drop_last=False)
    options = dict(num_workers=workers)
    if workers:
        options.update(prefetch_factor=prefetch, persistent_workers=False)
    return DataLoader(dataset, batch_sampler=sampler, **options)
