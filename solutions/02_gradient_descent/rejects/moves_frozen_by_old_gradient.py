"""test_frozen_and_unused: a gradient that the caller left on a frozen parameter moves it."""

import torch
import torch.nn.functional as F


def train(model, loader, epochs, lr):
    was_training = model.training
    model.train()
    losses = []
    for _ in range(epochs):
        total, samples = 0.0, 0
        for inputs, targets in loader:
            for p in model.parameters():
                if p.requires_grad:
                    p.grad = None
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            with torch.no_grad():
                for p in model.parameters():
                    if p.grad is not None:
                        p -= lr * p.grad
            total += loss.item() * len(targets)
            samples += len(targets)
        losses.append(total / samples)
    model.train(was_training)
    return losses
