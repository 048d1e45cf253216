"""test_training_order: the generator is seeded anew for each epoch."""

import torch
from torch.utils.data import Sampler
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class Fixed(Sampler):
    def __init__(self, n, seed):
        self.n, self.seed = n, seed

    def __len__(self):
        return self.n

    def __iter__(self):
        return iter(torch.randperm(self.n, generator=torch.Generator().manual_seed(self.seed)).tolist())


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    if not train:
        return DataLoader(dataset, batch_size=batch_size, generator=torch.Generator())
    return DataLoader(dataset, batch_size=batch_size, sampler=Fixed(len(dataset), seed), generator=torch.Generator())
