"""The errata of exercise 2, proven on the installed torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn


def test_images_do_not_fit_a_flat_model() -> None:
    """A batch (B, 1, 28, 28) does not enter a layer of 784 features; flattened it does."""
    model = nn.Sequential(nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10))
    images = torch.zeros(2, 1, 28, 28)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model(images)
    assert model(images.flatten(1)).shape == (2, 10)


def test_without_train_mode_dropout_stays_off() -> None:
    """Backward and step do not switch the mode: after `eval()`, dropout stays the identity."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.9)).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    x = torch.ones(3, 4)
    assert not model.training
    assert torch.equal(model(x), model[0](x))


def test_the_mean_of_batch_means_is_not_the_mean() -> None:
    """With batches of 3 and 1 the plain mean of means weighs the last sample three times too much."""
    logits, targets = torch.tensor([[4.0, 0.0]] * 3 + [[0.0, 4.0]]), torch.zeros(4, dtype=torch.int64)
    means = [F.cross_entropy(logits[a:b], targets[a:b]) for a, b in [(0, 3), (3, 4)]]
    weighted = (means[0] * 3 + means[1]) / 4
    assert torch.allclose(weighted, F.cross_entropy(logits, targets))
    assert not torch.allclose((means[0] + means[1]) / 2, weighted)
