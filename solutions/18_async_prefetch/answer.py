"""Reading ahead in a background thread, and a DataLoader that does it in processes."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset

_ITEM, _ERROR, _END = object(), object(), object()


class Prefetcher:
    def __init__(self, source: Iterable[Any], depth: int) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1 (got {depth})")
        self.source, self.depth = source, depth

    def __iter__(self) -> Iterator[Any]:
        # A generator brings close() along, and its finally runs when it is dropped. Queue, event and
        # thread belong to this one iteration, so that two iterations do not meet.
        ready: queue.Queue[tuple[object, Any]] = queue.Queue(maxsize=self.depth)
        stop = threading.Event()
        # A daemon: at exit the interpreter does not wait for it. Its arguments do not lead back to the
        # generator: a thread that held its own iterator would keep it alive for ever.
        threading.Thread(target=_fill, args=(self.source, ready, stop), daemon=True).start()
        try:
            while True:
                kind, value = ready.get()
                if kind is _END:
                    return
                if kind is _ERROR:
                    raise value
                yield value
        finally:
            stop.set()
            _empty(ready)  # wakes a producer that is blocked in put; it then sees stop


def _fill(source: Iterable[Any], ready: queue.Queue[tuple[object, Any]], stop: threading.Event) -> None:
    """Runs in the thread. Every entry says what it is, so an item can be anything."""
    try:
        for item in source:
            ready.put((_ITEM, item))
            if stop.is_set():
                return
    except BaseException as error:
        ready.put((_ERROR, error))
    else:
        ready.put((_END, None))


def _empty(ready: queue.Queue[tuple[object, Any]]) -> None:
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return


def make_loader(dataset: Dataset, batch_size: int, workers: int, prefetch: int) -> DataLoader:
    # Without workers nothing reads ahead, and DataLoader refuses a prefetch_factor.
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=workers,
        prefetch_factor=prefetch if workers > 0 else None,
    )
