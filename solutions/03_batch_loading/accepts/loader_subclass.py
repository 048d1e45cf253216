"""A subclass of DataLoader that forks the global generator around each pass; a lambda as transform."""

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms.functional import to_tensor


class Quiet(DataLoader):
    def __iter__(self):
        with torch.random.fork_rng(devices=[]):
            iterator = super().__iter__()
        return iterator


def make_loader(root, train, batch_size, seed):
    dataset = MNIST(root=root, train=bool(train), transform=lambda image: 2 * to_tensor(image) - 1)
    if not train:
        return Quiet(dataset, batch_size=batch_size)
    generator = torch.Generator("cpu").manual_seed(seed)
    return DataLoader(dataset, batch_size, True, generator=generator, drop_last=False)
