"""Reference answer to exercise 12."""

import torch


def memory_report(device: int | str | torch.device | None = None) -> dict[str, int]:
    """Bytes under the keys free, total (the driver's), allocated, reserved, cached (the allocator's)."""
    # The driver counts all processes and knows nothing of tensors; the allocator knows this process only.
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {
        "free": free,
        "total": total,
        "allocated": allocated,
        "reserved": reserved,
        "cached": reserved - allocated,
    }
