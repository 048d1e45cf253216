"""A loop with one chunk size for all, started over when it shrinks; a class for the cap."""

import torch


class memory_cap:
    def __init__(self, fraction, device=None):
        self.fraction = fraction
        self.device = device

    def __enter__(self):
        device = f"cuda:{self.device}" if isinstance(self.device, int) else self.device
        self.target = torch.device(device or "cuda")
        if self.target.index is None:
            self.target = torch.device("cuda", torch.cuda.current_device())
        self.old = torch.cuda.get_per_process_memory_fraction(self.target)
        torch.cuda.set_per_process_memory_fraction(self.fraction, self.target)

    def __exit__(self, *exc):
        torch.cuda.set_per_process_memory_fraction(self.old, device=self.target)


def attempt(fn, batch, size):
    results = []
    for piece in batch.split(max(size, 1)):
        try:
            results.append(fn(piece))
        except torch.OutOfMemoryError as error:
            return None, str(error)
    return torch.cat(results), ""


def run_with_oom_fallback(fn, batch, min_chunk):
    size = batch.shape[0]
    while True:
        result, message = attempt(fn, batch, size)
        if result is not None:
            return result
        if size <= min_chunk:
            raise torch.OutOfMemoryError(message)
        size = max(min_chunk, -(-size // 2))
        torch.cuda.empty_cache()
