"""Hidden checks of exercise 14."""

import torch

from ptquiz.worker import claims


def test_reserve(submission, draw, gpu):
    """A workspace of bytes."""
    claims.tensor(submission.reserve(7, "cuda"), 'reserve(7, "cuda")', shape=(7,), dtype=torch.uint8, device="cuda")
