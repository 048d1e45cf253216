import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset


class Prefetcher:
    """Iterates source in a background thread, at most depth items (and one in hand) ahead.

    Its iterators have close(). ValueError if depth is below 1.
    """

    def __init__(self, source: Iterable[Any], depth: int) -> None:
        # TODO
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        """A new iteration with a thread of its own."""
        # TODO: a bounded queue, a thread that fills it, an iterator that empties it and can be closed
        raise NotImplementedError


def make_loader(dataset: Dataset, batch_size: int, workers: int, prefetch: int) -> DataLoader:
    """Batches in order, the last partial one included; each worker process `prefetch` batches ahead."""
    # TODO
    raise NotImplementedError
