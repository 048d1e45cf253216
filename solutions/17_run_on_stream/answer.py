"""Exercise 17, reference answer."""

from collections.abc import Callable
from typing import Any

import torch


def run_on_stream(fn: Callable[..., Any], stream: torch.cuda.Stream | None, *args: Any) -> Any:
    """Call `fn(*args)` once, with its GPU work on `stream`, and return what it returned."""
    caller = torch.cuda.current_stream()  # asked for before switching
    if stream is None or stream == caller:
        return fn(*args)  # one stream is ordered by itself
    stream.wait_stream(caller)
    try:
        with torch.cuda.stream(stream):
            result = fn(*args)
    finally:
        # Whatever was launched before an exception is still running: the caller's next work waits for it too.
        caller.wait_stream(stream)
    # The arguments need no more: the caller's stream, whose memory they are, has just been made to wait.
    _keep_until_used(result, caller)
    return result


def _keep_until_used(result: Any, stream: torch.cuda.Stream) -> None:
    """Tell the allocator that `stream` uses these tensors, which belong to another stream's memory."""
    if isinstance(result, torch.Tensor):
        if result.is_cuda:
            result.record_stream(stream)
    elif isinstance(result, dict):
        for value in result.values():
            _keep_until_used(value, stream)
    elif isinstance(result, list | tuple):
        for value in result:
            _keep_until_used(value, stream)
