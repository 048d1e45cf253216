"""Fresh inputs for the checks, from a seed that the report prints."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def seed_for(seed: int, name: str) -> int:
    """The seed of one check: independent of the other checks and of their order."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


class Draw:
    """Random values that leave torch's and Python's global generators alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.generator = torch.Generator()
        self.generator.manual_seed(seed)

    def randn(
        self, *shape: int, dtype: torch.dtype = torch.float64, requires_grad: bool = False
    ) -> torch.Tensor:
        """Standard normal values, a leaf on the CPU."""
        wide = torch.randn(shape, generator=self.generator, dtype=torch.float64, device="cpu")
        return wide.to(dtype).requires_grad_(requires_grad)

    def rand(
        self, *shape: int, dtype: torch.dtype = torch.float64, requires_grad: bool = False
    ) -> torch.Tensor:
        """Uniform values in [0, 1), a leaf on the CPU."""
        wide = torch.rand(shape, generator=self.generator, dtype=torch.float64, device="cpu")
        return wide.to(dtype).requires_grad_(requires_grad)

    def integers(
        self, low: int, high: int, shape: Sequence[int] = (), dtype: torch.dtype = torch.int64
    ) -> torch.Tensor:
        """Whole numbers with low <= value < high, on the CPU."""
        return torch.randint(low, high, tuple(shape), generator=self.generator, dtype=dtype, device="cpu")

    def integer(self, low: int, high: int) -> int:
        """One whole number with low <= value <= high."""
        return self.rng.randint(low, high)

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return self.rng.choice(items)
