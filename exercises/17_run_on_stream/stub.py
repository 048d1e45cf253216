"""Exercise 17: run a function on a stream."""

from collections.abc import Callable
from typing import Any

import torch


def run_on_stream(fn: Callable[..., Any], stream: torch.cuda.Stream | None, *args: Any) -> Any:
    """Call `fn(*args)` once, with its GPU work on `stream`, and return what it returned.

    The work starts after what the caller's current stream was given so far, and before what it is given
    next; the host does not wait. `None` means the current stream. The caller's stream is current again
    afterwards, also when `fn` raises. Results (tensors, nested in lists, tuples and dicts) may be dropped at
    any moment; nothing keeps them alive.
    """
    # TODO: order the two streams both ways, run fn on `stream`, make the result safe to drop
    raise NotImplementedError
