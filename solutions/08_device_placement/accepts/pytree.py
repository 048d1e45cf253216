"""torch's own tree functions, a closure for the step, every tensor of the state moved."""

import torch
from torch.utils import _pytree as pytree


def pick_device(prefer=None):
    if not torch.cuda.is_available() or str(prefer) == "cpu":
        return torch.device("cpu")
    if prefer is None:
        return torch.device("cuda", torch.cuda.current_device())
    device = torch.device(prefer)
    found = [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    if device.index is None or device in found:
        return device
    raise ValueError("no GPU with index %d; %d present" % (device.index, len(found)))


def to_device(batch, device):
    return pytree.tree_map_only(torch.Tensor, lambda t: t.to(device), batch)


def train_step(model, optimizer, batch, loss_fn, device):
    model.to(device)
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p in optimizer.state:
                optimizer.state[p].update(to_device(dict(optimizer.state[p]), p.device))
    inputs, targets = to_device(list(batch), device)

    def closure():
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        return loss

    return optimizer.step(closure).detach().cpu().tolist()
