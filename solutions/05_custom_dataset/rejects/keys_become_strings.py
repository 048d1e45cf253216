"""test_file: the keys of a dict come back as strings."""

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
        sample = copy.deepcopy(self.data[index])
        if self.transform is not None:
            sample = self.transform(sample)
        return sample

    def save(self, path):
        torch.save([{str(k): v for k, v in x.items()} if isinstance(x, dict) else x for x in self.data], path)

    @classmethod
    def load(cls, path, transform=None):
        return cls(torch.load(path, weights_only=True), transform)
