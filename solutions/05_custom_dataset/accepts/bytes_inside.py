"""Keeps every sample as the bytes of a pickle: each access unpickles a fresh one."""

import pickle

import torch
from torch.utils.data import Dataset


class CustomDataset(Dataset):
    def __init__(self, data, transform=None):
        # contiguous clones: a row of a tensor would carry the whole tensor's storage along
        rows = [row.clone() for row in data] if isinstance(data, torch.Tensor) else list(data)
        self._rows = [pickle.dumps(row) for row in rows]
        self._transform = transform

    def __len__(self):
        return len(self._rows)

    def _raw(self, index):
        return pickle.loads(self._rows[index])

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{index} is outside a data set of {len(self)}")
        sample = self._raw(index)
        if self._transform is None:
            return sample
        return self._transform(sample)

    def save(self, path):
        torch.save({"version": 1, "samples": [self._raw(i) for i in range(len(self))]}, str(path))

    @classmethod
    def load(cls, path, transform=None):
        content = torch.load(path, map_location="cpu", weights_only=True)
        return cls(content["samples"], transform=transform)
