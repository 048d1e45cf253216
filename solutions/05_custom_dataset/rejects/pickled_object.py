"""test_file: pickles itself, transform and all."""

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
        torch.save(self, path)

    @classmethod
    def load(cls, path, transform=None):
        dataset = torch.load(path, weights_only=False)
        dataset.transform = transform
        return dataset
