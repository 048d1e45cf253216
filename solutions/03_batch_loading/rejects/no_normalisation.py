"""test_values: images in [0, 1], not normalised."""

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor()])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator)
