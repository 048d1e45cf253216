"""Exercise 19, reference answer."""

from collections.abc import Callable

import torch


def overlap(
    a: Callable[[], torch.Tensor],
    b: Callable[[], torch.Tensor],
    consume: Callable[[torch.Tensor], torch.Tensor],
    side: torch.cuda.Stream,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run `a()` then `b()` on `side`, `consume(result of a)` on the current stream."""
    current = torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        of_a = a()
        a_done = side.record_event()  # here and nowhere else: after a, before b
        of_b = b()
    current.wait_event(a_done)
    consumed = consume(of_a)
    current.wait_stream(side)  # now, after the consumer, the wait may include b
    # Both were allocated on `side` and are read here; the allocator has to know before they are dropped.
    of_a.record_stream(current)
    of_b.record_stream(current)
    return consumed, of_b
