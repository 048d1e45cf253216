"""Reference answer to exercise 3."""

from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def make_loader(root: str | Path, train: bool, batch_size: int, seed: int) -> DataLoader:
    """Batches of MNIST: images (B, 1, 28, 28) float32 in [-1, 1], labels (B,) int64."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=train,
        # Seeded once and then moving on: every epoch gets an order of its own, all of them reproducible.
        # The evaluation loader gets one too: each pass draws a base seed, else from the global generator.
        generator=torch.Generator().manual_seed(seed),
    )
