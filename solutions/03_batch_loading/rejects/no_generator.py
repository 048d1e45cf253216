"""test_training_order: shuffles with the global generator."""

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train)
