"""A template class with a hook, a named identity in place of None, explicit recursion for copies."""

from pathlib import Path

import torch
from torch.utils.data import Dataset


def identity(sample):
    return sample


def duplicate(value):
    match value:
        case torch.Tensor():
            return value.detach().clone()
        case dict():
            return type(value)((k, duplicate(v)) for k, v in value.items())
        case list() | tuple():
            return type(value)(duplicate(v) for v in value)
        case _:
            return value


class Stored(Dataset):
    def __init__(self, data):
        self.samples = tuple(duplicate(data[i]) for i in range(len(data)))

    def __len__(self):
        return self.samples.__len__()

    def __getitem__(self, index):
        return self.prepare(duplicate(self.samples[index]))


class CustomDataset(Stored):
    __slots__ = ("prepare",)

    def __init__(self, data, transform=None):
        super().__init__(data)
        self.prepare = identity if transform is None else transform

    def __getstate__(self):
        return {"samples": self.samples, "prepare": self.prepare}

    def __setstate__(self, state):
        self.samples = state["samples"]
        self.prepare = state["prepare"]

    def save(self, path):
        with Path(path).open("wb") as file:
            torch.save(self.samples, file)

    @staticmethod
    def load(path, transform=None):
        with Path(path).open("rb") as file:
            return CustomDataset(torch.load(file), transform)
