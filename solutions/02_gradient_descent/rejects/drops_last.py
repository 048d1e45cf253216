"""test_parameters: skips the small last batch."""

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
            if samples and len(targets) < size:
                continue
            size = len(targets)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
            samples += len(targets)
        losses.append(total / samples)
    model.train(was_training)
    return losses
