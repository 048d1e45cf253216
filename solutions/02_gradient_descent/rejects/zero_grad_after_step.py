"""test_stale_gradients: clears after the step, so the caller's gradients enter the first one."""

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
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(targets)
            samples += len(targets)
        losses.append(total / samples)
    model.train(was_training)
    return losses
