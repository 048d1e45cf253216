"""test_file: writes JSON, where tensors and tuples become lists."""

import copy
import json
from pathlib import Path

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
        Path(path).write_text(json.dumps(self.data, default=lambda t: t.tolist()))

    @classmethod
    def load(cls, path, transform=None):
        return cls(json.loads(Path(path).read_text()), transform)
