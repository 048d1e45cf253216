"""test_losses: takes the first batch's size for all."""

import torch
import torch.nn.functional as F


def train(model, loader, epochs, lr):
    was_training = model.training
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        total, samples, size = 0.0, 0, None
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            size = size or len(targets)
            total += loss.item() * size
            samples += size
        losses.append(total / samples)
    model.train(was_training)
    return losses
