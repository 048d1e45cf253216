"""Exercise 21, reference answer."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch


def parallel_map(
    fn: Callable[[Any], torch.Tensor], items: Sequence[Any], n_threads: int
) -> list[torch.Tensor]:
    """Call `fn(item)` for each item, in at most `n_threads` threads; results in the order of `items`."""
    caller = torch.cuda.current_stream()  # asked for here: in a worker it would be the worker's
    device = torch.cuda.current_device()
    given = caller.record_event()  # what the caller's stream has so far, the items among it
    streams = [torch.cuda.Stream(device) for _ in range(min(n_threads, len(items)))]

    results: list[Any] = [None] * len(items)
    errors: dict[int, BaseException] = {}
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(items)):
        todo.put(index)

    def work(stream: torch.cuda.Stream) -> None:
        # A new thread is on device 0 and its default stream, whatever the caller has set.
        torch.cuda.set_device(device)
        stream.wait_event(given)
        with torch.cuda.stream(stream):
            while True:
                try:
                    index = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    results[index] = fn(items[index])
                except BaseException as error:
                    errors[index] = error

    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # The threads have launched everything; the GPU is perhaps still busy with it. Now the streams are joined.
    for stream in streams:
        caller.wait_stream(stream)
    if errors:
        raise errors[min(errors)]
    for result in results:
        result.record_stream(caller)
    return results
