"""Hidden checks of exercise 26."""

import torch

from ptquiz.worker import claims


def test_removes(submission, draw, gpu):
    """Exactly the named entries are gone."""
    holder = {name: torch.zeros(5, device="cuda") for name in "abc"}
    claims.instance(submission.release(holder, ["b"], "cuda"), int, 'release(holder, ["b"], "cuda")')
    claims.same(list(holder), ["a", "c"], "list(holder)")
