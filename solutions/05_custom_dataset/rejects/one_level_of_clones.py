"""test_stored_samples: clones tensors of a tuple, not those deeper down."""

import copy

import torch
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        self.data = data
        self.transform = transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        sample = self.data[index]
        if isinstance(sample, torch.Tensor):
            sample = sample.clone()
        elif isinstance(sample, (tuple, list)):
            sample = type(sample)(x.clone() if isinstance(x, torch.Tensor) else x for x in sample)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample

    def save(self, path):
        torch.save(self.data, path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
