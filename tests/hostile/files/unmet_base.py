"""Returns right values from an unusual file: BOM-free, printing, guards, dataclasses.

expect: passed
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Optional

import numpy as np
import torch

torch.manual_seed(0)
np.random.seed(0)
warnings.warn("noisy but harmless")
print("hello from import")


@dataclasses.dataclass
class Factor:
    value: float = 2.0
    note: Optional[str] = None


def helper(x: torch.Tensor, factor: "Factor") -> torch.Tensor:
    return torch.mul(x, factor.value)


def double(x):
    print("called", x.shape)
    return helper(x, Factor())


if __name__ == "__main__":
    raise SystemExit(double(torch.ones(1)))
