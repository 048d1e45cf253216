"""test_length_and_index: raises KeyError past the end."""

import copy

import torch
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.data = {i: data[i] for i in range(len(data))}
        self.transform = transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        sample = copy.deepcopy(self.data[index if index >= 0 else index + len(self.data)])
        if self.transform is not None:
            sample = self.transform(sample)
        return sample

    def save(self, path):
        torch.save(list(self.data.values()), path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
