"""Exercise 2: gradient descent."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def train(model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], epochs: int, lr: float) -> list[float]:
    """Train `model` in place with plain SGD on the cross-entropy; the mean loss per sample of each epoch.

    inputs (B, ...) of any shape, targets (B,) int64, model(inputs) -> logits (B, classes).
    """
    # TODO: train mode, the loop over epochs and batches, the losses, the mode from before.
    raise NotImplementedError
