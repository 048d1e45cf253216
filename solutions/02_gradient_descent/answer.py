"""Reference answer to exercise 2."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def train(model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], epochs: int, lr: float) -> list[float]:
    """Train `model` in place with plain SGD on the cross-entropy; the mean loss per sample of each epoch."""
    was_training = model.training
    model.train()  # dropout and batch norm behave differently while training
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        total, samples = 0.0, 0
        for inputs, targets in loader:
            # First, not last: what the caller left on the parameters must not enter the first step.
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            # item() leaves the graph behind; the batch's mean counts by the batch's size.
            total += loss.item() * len(targets)
            samples += len(targets)
        losses.append(total / samples)
    model.train(was_training)
    return losses
