"""No optimizer: `torch.autograd.grad` and an update in place."""

import torch


def train(model, loader, epochs, lr):
    mode = model.training
    model.train()
    history = []
    for _ in range(epochs):
        sums = []
        count = 0
        for x, y in loader:
            params = [p for p in model.parameters() if p.requires_grad]
            logp = torch.log_softmax(model(x), dim=1)
            nll = -logp[torch.arange(len(y)), y]
            grads = torch.autograd.grad(nll.mean(), params, allow_unused=True)
            with torch.no_grad():
                for p, g in zip(params, grads):
                    if g is not None:
                        p.sub_(g, alpha=lr)
            sums.append(nll.detach().sum())
            count += y.numel()
        history.append(float(torch.stack(sums).sum() / count))
    if not mode:
        model.eval()
    return history
