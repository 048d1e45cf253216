"""test_workers: keeps the transform in a global."""

import copy

import torch
from torch.utils.data import Dataset

STORE = {}


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.data = data
        self.key = len(STORE)
        STORE[self.key] = transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        sample = copy.deepcopy(self.data[index])
        if STORE[self.key] is not None:
            sample = STORE[self.key](sample)
        return sample

    def save(self, path):
        torch.save(self.data, path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
