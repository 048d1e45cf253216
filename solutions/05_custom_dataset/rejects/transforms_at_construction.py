"""test_transform: transforms once, when it is built."""

import copy

import torch
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.data = [copy.deepcopy(x) if transform is None else transform(copy.deepcopy(x)) for x in data]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return copy.deepcopy(self.data[index])

    def save(self, path):
        torch.save(self.data, path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
