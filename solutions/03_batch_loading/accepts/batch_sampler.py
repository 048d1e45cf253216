"""A batch sampler of one's own that counts the epochs; order from seed and epoch."""

import random

import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import v2


class Batches:
    def __init__(self, n, size, seed, shuffle):
        self.n, self.size, self.seed, self.shuffle = n, size, seed, shuffle
        self.epoch = 0

    def __len__(self):
        return (self.n + self.size - 1) // self.size

    def __iter__(self):
        order = list(range(self.n))
        if self.shuffle:
            random.Random(f"{self.seed}/{self.epoch}").shuffle(order)
        self.epoch += 1
        for start in range(0, self.n, self.size):
            yield order[start : start + self.size]


def make_loader(root, train, batch_size, seed):
    to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    steps = [*to_float, v2.Normalize(mean=[0.5], std=[0.5]), v2.ToPureTensor()]
    dataset = datasets.MNIST(root, train=train, transform=v2.Compose(steps))
    batches = Batches(len(dataset), batch_size, seed, train)
    return DataLoader(dataset, batch_sampler=batches, generator=torch.Generator().manual_seed(0))
