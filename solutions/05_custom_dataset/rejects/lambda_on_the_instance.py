"""test_pickle: keeps a lambda on the instance."""

import copy

import torch
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.data = data
        self.transform = (lambda x: x) if transform is None else transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        sample = copy.deepcopy(self.data[index])
        return self.transform(sample)

    def save(self, path):
        torch.save(self.data, path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
