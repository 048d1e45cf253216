"""A small trainer class, a sum loss divided by the batch size, gradients set to None by hand."""

from torch import nn


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.lr = lr
        self.loss = nn.CrossEntropyLoss(reduction="sum")

    def step(self, inputs, targets):
        for p in self.model.parameters():
            p.grad = None
        total = self.loss(self.model(inputs), targets)
        (total / targets.shape[0]).backward()
        for p in self.model.parameters():
            if p.grad is not None:
                p.data -= self.lr * p.grad
        return total.detach().item()

    def epoch(self, loader):
        total = n = 0
        for inputs, targets in loader:
            total += self.step(inputs, targets)
            n += targets.size(0)
        return total / n


def train(model, loader, epochs, lr):
    modes = {m: m.training for m in model.modules()}
    try:
        model.train(True)
        trainer = Trainer(model, lr)
        return [trainer.epoch(loader) for _ in range(epochs)]
    finally:
        for module, mode in modes.items():
            module.training = mode
