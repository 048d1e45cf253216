"""Hidden checks of exercise 28."""

import torch

from ptquiz.worker import claims


def test_tensor(submission, draw, gpu):
    """Shape, dtype and device of what acquire returns."""
    pool = submission.BufferPool(4096)
    x = pool.acquire((3, 5), torch.float32)
    claims.tensor(x, "pool.acquire((3, 5), torch.float32)", shape=(3, 5), dtype=torch.float32, device="cuda")
