"""test_training_order: the batches change places, their contents never do."""

import torch
from torch.utils.data import DataLoader, Sampler
from torchvision import datasets, transforms


class Batches(Sampler):
    def __init__(self, n, size, generator):
        self.n, self.size, self.generator = n, size, generator

    def __iter__(self):
        starts = list(range(0, self.n, self.size))
        full = [s for s in starts if s + self.size <= self.n]
        for i in torch.randperm(len(full), generator=self.generator).tolist():
            yield list(range(full[i], full[i] + self.size))
        if len(full) < len(starts):
            yield list(range(starts[-1], self.n))


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed)
    if not train:
        return DataLoader(dataset, batch_size=batch_size, shuffle=False, generator=generator)
    return DataLoader(dataset, batch_sampler=Batches(len(dataset), batch_size, generator), generator=generator)
