"""test_parameters: trains a copy of the model."""

import copy

import torch
import torch.nn.functional as F


def train(model, loader, epochs, lr):
    model = copy.deepcopy(model)
    was_training = model.training
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        total, samples = 0.0, 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
            samples += len(targets)
        losses.append(total / samples)
    model.train(was_training)
    return losses
