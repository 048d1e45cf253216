"""Errata of question 18, proven on the installed torch."""

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset


def _loader(**options):
    return DataLoader(TensorDataset(torch.arange(6.0)), batch_size=2, **options)


def test_prefetch_factor_needs_workers():
    """Without workers nothing could prefetch, and torch says so."""
    with pytest.raises(ValueError, match="prefetch_factor"):
        _loader(prefetch_factor=4)


def test_a_loader_has_no_next():
    """Neither a DataLoader nor its iterator has a method `next`."""
    assert not hasattr(_loader(), "next")
    assert not hasattr(iter(_loader()), "next")


def test_copies_of_a_loader_repeat_batches():
    """What a process of a pool receives is a pickled copy, and each copy begins at the first batch."""
    copies = [pickle.loads(pickle.dumps(_loader())) for _ in range(2)]
    first, second = (next(iter(copy))[0] for copy in copies)
    assert torch.equal(first, second)
