"""Exercise 12: what the driver sees and what the allocator holds."""

import torch


def memory_report(device: int | str | torch.device | None = None) -> dict[str, int]:
    """Bytes under the keys free, total (the driver's), allocated, reserved, cached (the allocator's)."""
    # TODO: ask both.
    raise NotImplementedError
