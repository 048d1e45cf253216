"""test_training_order: of the seed only eight bits are used."""

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed & 255)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator)
