"""Exercise 29: build the class that the source imagined."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch


class Handle:
    """What `apply_async` returns; give it the `__init__` that you need."""

    def result(self) -> Any:
        """Make the current stream wait for this task alone; return its value or raise its error."""
        # TODO: the task's event, its value, its error
        raise NotImplementedError


class StreamPool:
    """Runs tasks on `n_streams` streams of the current device in turn. The host never waits for the GPU.

    The pool keeps neither arguments nor results alive when their tasks have ended.
    """

    def __init__(self, n_streams: int) -> None:
        # TODO: the streams
        raise NotImplementedError

    def apply_async(self, fn: Callable[..., Any], *args: Any) -> Handle:
        """Call `fn(*args)` at once on the next stream, after the caller's work so far.

        An error in `fn` is kept for the handle. Raises RuntimeError when the pool is closed.
        """
        # TODO: order, run, record; what the allocator has to know
        raise NotImplementedError

    def wait(self) -> None:
        """Make the current stream wait for all tasks so far."""
        # TODO: a wait for each stream
        raise NotImplementedError

    def close(self) -> None:
        """Wait as `wait` does, and take no more tasks."""
        # TODO: wait, and remember that the pool is closed
        raise NotImplementedError

    def __enter__(self) -> "StreamPool":
        # TODO: the pool itself
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # TODO: close, and let errors pass
        raise NotImplementedError
