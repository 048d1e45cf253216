"""test_one_background_thread: draws in the consumer's own thread"""

from torch.utils.data import DataLoader


class Prefetcher:
    def __init__(self, source, depth):
        if depth < 1:
            raise ValueError("depth must be at least 1")
        self.source = source

    def __iter__(self):
        yield from self.source


def make_loader(dataset, batch_size, workers, prefetch):
    return DataLoader(dataset, batch_size, num_workers=workers, prefetch_factor=prefetch if workers else None)
