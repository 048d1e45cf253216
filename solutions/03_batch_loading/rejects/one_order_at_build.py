"""test_training_order: permutes once, when the loader is built."""

import torch
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms


def make_loader(root, train, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    dataset = datasets.MNIST(root=root, train=train, transform=transform, download=False)
    generator = torch.Generator().manual_seed(seed)
    if train:
        dataset = Subset(dataset, torch.randperm(len(dataset), generator=generator).tolist())
    return DataLoader(dataset, batch_size=batch_size, generator=generator)
