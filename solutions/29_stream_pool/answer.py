"""Exercise 29, reference answer."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch


class Handle:
    """One task: the event behind its work, and its value or its error."""

    def __init__(self, value: Any, error: BaseException | None, done: torch.cuda.Event) -> None:
        self._value, self._error, self._done = value, error, done

    def result(self) -> Any:
        """Make the current stream wait for this task alone; return its value or raise its error."""
        current = torch.cuda.current_stream()  # of this moment: the reader's, not that of apply_async
        current.wait_event(self._done)
        if self._error is not None:
            raise self._error
        if isinstance(self._value, torch.Tensor) and self._value.is_cuda:
            self._value.record_stream(current)
        return self._value


class StreamPool:
    """Runs tasks on `n_streams` streams of the current device in turn. The host never waits for the GPU."""

    def __init__(self, n_streams: int) -> None:
        self._streams = [torch.cuda.Stream() for _ in range(n_streams)]
        self._given = 0
        self._closed = False

    def apply_async(self, fn: Callable[..., Any], *args: Any) -> Handle:
        """Call `fn(*args)` at once on the next stream, after the caller's work so far."""
        if self._closed:
            raise RuntimeError("the pool is closed")
        stream = self._streams[self._given % len(self._streams)]
        self._given += 1
        stream.wait_stream(torch.cuda.current_stream())
        for arg in args:
            if isinstance(arg, torch.Tensor) and arg.is_cuda:
                arg.record_stream(stream)  # the caller may drop it before the task has read it
        value, error = None, None
        with torch.cuda.stream(stream):
            try:
                value = fn(*args)
            except Exception as raised:
                error = raised
            done = stream.record_event()  # behind this task, before the next one
        return Handle(value, error, done)

    def wait(self) -> None:
        """Make the current stream wait for all tasks so far."""
        current = torch.cuda.current_stream()
        for stream in self._streams:
            current.wait_stream(stream)

    def close(self) -> None:
        """Wait as `wait` does, and take no more tasks."""
        if not self._closed:
            self.wait()
            self._closed = True

    def __enter__(self) -> StreamPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()  # nothing is returned: an error of the block goes on
