"""A mover object, `match` for the containers, the device context while computing."""

import contextlib
from collections.abc import Mapping

import torch


class Mover:
    def __init__(self, device):
        self.device = torch.device(device)

    def __call__(self, x):
        match x:
            case torch.Tensor():
                return x.to(self.device)
            case Mapping():
                return type(x)({k: self(v) for k, v in x.items()})
            case tuple() if type(x) is not tuple:
                return type(x)(*map(self, x))
            case tuple():
                return tuple(map(self, x))
            case list():
                return list(map(self, x))
            case other:
                return other

    def context(self):
        return torch.cuda.device(self.device) if self.device.type == "cuda" else contextlib.nullcontext()


def pick_device(prefer=None):
    device = torch.device(prefer if prefer is not None else "cuda")
    match device.type, torch.cuda.device_count(), device.index:
        case ("cpu", _, _) | (_, 0, _):
            return torch.device("cpu")
        case _, _, None:
            return device
        case _, n, i if i < n:
            return device
        case _, n, i:
            raise ValueError(f"device index {i}, device count {n}")


def to_device(batch, device):
    return Mover(device)(batch)


def train_step(model, optimizer, batch, loss_fn, device):
    move = Mover(device)
    with move.context():
        model.to(move.device)
        state = optimizer.state
        for p in list(state):
            state[p] = {k: move(v) if k != "step" else v for k, v in state[p].items()}
        inputs, targets = move(batch[0]), move(batch[1])
        for p in model.parameters():
            p.grad = None
        loss = loss_fn(model(inputs), targets)
        torch.autograd.backward(loss)
        optimizer.step()
        return loss.item()
