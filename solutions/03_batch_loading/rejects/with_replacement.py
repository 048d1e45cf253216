"""test_every_sample_once: draws with replacement."""

import torch
from torch.utils.data import DataLoader, RandomSampler
from torchvision import datasets, transforms


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(dataset, replacement=True, generator=generator) if train else None
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, generator=generator)
