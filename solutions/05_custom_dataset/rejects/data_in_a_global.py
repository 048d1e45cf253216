"""test_workers: keeps the data in a global, which no new process has."""

import copy

import torch
from torch.utils.data import Dataset

STORE = {}


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.key = len(STORE)
        STORE[self.key] = data
        self.transform = transform

    def __len__(self):
        return len(STORE[self.key])

    def __getitem__(self, index):
        sample = copy.deepcopy(STORE[self.key][index])
        if self.transform is not None:
            sample = self.transform(sample)
        return sample

    def save(self, path):
        torch.save(STORE[self.key], path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
