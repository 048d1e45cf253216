"""The errata of exercise 3, proven on the installed torch and torchvision."""

import socket
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset


def test_download_goes_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `download=True` a missing data set asks the network; with `download=False` it raises at once."""
    datasets = pytest.importorskip("torchvision.datasets")
    asked = []

    def refuse(host: object, *rest: object, **more: object) -> None:
        asked.append(host)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(RuntimeError, match="not found"):
        datasets.MNIST(tmp_path / "a", download=False)
    assert not asked
    with pytest.raises(RuntimeError, match="downloading"):
        datasets.MNIST(tmp_path / "b", download=True)
    assert asked


def test_batches_are_neither_flat_nor_all_full() -> None:
    """Images keep their shape in a batch, and 60000 samples in batches of 64 end with one of 32."""
    images = torch.zeros(1, 1, 28, 28).expand(60000, 1, 28, 28)
    loader = DataLoader(
        TensorDataset(images, torch.zeros(60000)), batch_sampler=[range(64), range(59968, 60000)]
    )
    full, last = (batch[0].shape for batch in loader)
    assert full == (64, 1, 28, 28)
    assert last == (32, 1, 28, 28)
    assert len(DataLoader(range(60000), batch_size=64)) * 64 - 60000 == 32
