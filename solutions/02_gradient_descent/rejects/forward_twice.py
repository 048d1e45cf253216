"""test_passes: a second forward pass for the report."""

import torch
import torch.nn.functional as F


def train(model, loader, epochs, lr):
    was_training = model.training
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        total, samples = 0.0, 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            with torch.no_grad():
                value = F.cross_entropy(model(inputs), targets).item()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += value * len(targets)
            samples += len(targets)
        losses.append(total / samples)
    model.train(was_training)
    return losses
