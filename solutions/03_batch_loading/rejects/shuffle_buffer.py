"""test_whole_set: a shuffle buffer of two batches: the end of the file never comes early."""

import torch
from torch.utils.data import DataLoader, Sampler
from torchvision import datasets, transforms


class Buffered(Sampler):
    def __init__(self, n, size, generator):
        self.n, self.size, self.generator = n, size, generator

    def __iter__(self):
        held = []
        for i in range(self.n + self.size):
            if i < self.n:
                held.append(i)
            if held and i >= self.size:
                yield held.pop(int(torch.randint(len(held), (), generator=self.generator)))


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed)
    sampler = Buffered(len(dataset), 2 * batch_size, generator) if train else None
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, generator=generator)
