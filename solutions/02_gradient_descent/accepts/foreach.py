"""SGD with foreach, gradients zeroed rather than set to None, a running average."""

import torch


def train(model, loader, epochs, lr):
    training = model.training
    opt = torch.optim.SGD(params=list(model.parameters()), lr=lr, foreach=True)
    criterion = torch.nn.CrossEntropyLoss()
    result = []
    for epoch in range(epochs):
        model.train()
        mean, seen = 0.0, 0
        for batch in list(loader):
            opt.zero_grad(set_to_none=False)
            loss = criterion(model(batch[0]), batch[1])
            loss.backward()
            opt.step()
            seen += len(batch[1])
            mean += (loss.item() - mean) * len(batch[1]) / seen
        result.append(mean)
    model.train(training)
    return result
