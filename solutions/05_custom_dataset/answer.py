"""Reference answer to exercise 5."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    """Samples in memory, with a transform that runs at each access."""

    def __init__(self, data: Sequence[Any] | Tensor, transform: Callable[[Any], Any] | None = None) -> None:
        # Both on the instance and as they are: whatever is here travels to the workers in a pickle.
        self.data = data
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        # Lists, tuples and tensors know negative indices and raise IndexError by themselves.
        # The copy keeps transforms that work in place, and callers, away from the stored sample.
        sample = copy.deepcopy(self.data[index])
        # `is not None`, because a transform may be falsy: nn.Sequential() has length 0.
        return sample if self.transform is None else self.transform(sample)

    def save(self, path: str | Path) -> None:
        # Data only. A transform is code: it belongs in the program, not in the file.
        torch.save(self.data, path)

    @classmethod
    def load(cls, path: str | Path, transform: Callable[[Any], Any] | None = None) -> "CustomDataset":
        return cls(torch.load(path, weights_only=True), transform)
