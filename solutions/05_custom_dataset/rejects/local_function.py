"""test_pickle: wraps the transform in a local function."""

import copy

import torch
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.data = data

        def fetch(index):
            sample = copy.deepcopy(data[index])
            return sample if transform is None else transform(sample)

        self.fetch = fetch

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.fetch(index)

    def save(self, path):
        torch.save(self.data, path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
