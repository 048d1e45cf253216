"""Exercise 3: batches of MNIST."""

from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def make_loader(root: str | Path, train: bool, batch_size: int, seed: int) -> DataLoader:
    """Batches of MNIST: images (B, 1, 28, 28) float32 in [-1, 1], labels (B,) int64.

    Training data in an order that `seed` decides, another one in each epoch; test data in the file's order.
    """
    # TODO: the transform, the data set without download, the loader with a generator of its own.
    raise NotImplementedError
