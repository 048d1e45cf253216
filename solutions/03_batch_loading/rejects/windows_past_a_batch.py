"""test_whole_set: shuffles within windows that are one sample longer than a batch."""

import torch
from torch.utils.data import DataLoader, Sampler
from torchvision import datasets, transforms


class Windows(Sampler):
    def __init__(self, n, width, generator):
        self.n, self.width, self.generator = n, width, generator

    def __iter__(self):
        for start in range(0, self.n, self.width):
            size = min(self.width, self.n - start)
            for i in torch.randperm(size, generator=self.generator).tolist():
                yield start + i


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed)
    sampler = Windows(len(dataset), batch_size + 1, generator) if train else None
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, generator=generator)
