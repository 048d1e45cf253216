"""The errata of exercise 5, proven on the installed torch and torchvision."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset


class Plain(Dataset):  # type: ignore[type-arg]
    """The two methods and nothing else, with the source's question about the transform."""

    def __init__(self, data, transform=None):
        self.data, self.transform = data, transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        sample = self.data[index]
        if self.transform:
            sample = self.transform(sample)
        return sample


def test_a_pickled_dataset_is_refused(tmp_path: Path) -> None:
    """A plain Dataset has no save and no load, and its pickle does not open with `weights_only=True`."""
    dataset = Plain([torch.ones(2)])
    assert not hasattr(dataset, "save")
    assert not hasattr(Plain, "load")
    torch.save(dataset, tmp_path / "data.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "data.pt", weights_only=True)


def test_a_transform_can_be_falsy() -> None:
    """A callable container of length 0 is falsy, and the question for its truth leaves it out."""

    class Negate(nn.Sequential):
        def forward(self, x):
            return -x

    assert not nn.Sequential()
    assert torch.equal(Plain([torch.ones(2)], Negate())[0], torch.ones(2))


def test_to_tensor_refuses_tensors() -> None:
    """`ToTensor` takes images and arrays only."""
    transforms = pytest.importorskip("torchvision.transforms")
    with pytest.raises(TypeError, match="PIL Image or ndarray"):
        transforms.ToTensor()(torch.ones(1, 2, 2))
