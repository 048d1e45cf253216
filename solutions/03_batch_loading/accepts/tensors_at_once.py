"""Reads the whole set as tensors once, and permutes them itself with a random sampler."""

import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, TensorDataset
from torchvision.datasets import MNIST


def make_loader(root, train, batch_size, seed):
    raw = MNIST(str(root), train)
    images = raw.data.unsqueeze(1).float().div(255).sub(0.5).div(0.5)
    data = TensorDataset(images, raw.targets)
    g = torch.Generator()
    g.manual_seed(seed)
    sampler = RandomSampler(data, generator=g) if train else SequentialSampler(data)
    return DataLoader(data, batch_size, sampler=sampler, generator=torch.Generator())
