"""Exercise 5: a data set that can be stored and sent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    """Samples in memory, with a transform that runs at each access."""

    def __init__(self, data: Sequence[Any] | Tensor, transform: Callable[[Any], Any] | None = None) -> None:
        # TODO: keep both.
        raise NotImplementedError

    def __len__(self) -> int:
        # TODO: the number of samples.
        raise NotImplementedError

    def __getitem__(self, index: int) -> Any:
        """The sample at `index`, transformed; raises IndexError outside [-len, len)."""
        # TODO: the stored sample must not change, whatever happens to the one that is returned.
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write the untransformed samples so that `torch.load(path, weights_only=True)` opens the file."""
        # TODO: data only.
        raise NotImplementedError

    @classmethod
    def load(cls, path: str | Path, transform: Callable[[Any], Any] | None = None) -> "CustomDataset":
        """The data set in the file at `path`, with this transform."""
        # TODO: read the file, build the data set.
        raise NotImplementedError
