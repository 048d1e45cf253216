"""Loads into a copy first, and sees that the copy kept what the file says. Saves copies on the CPU."""

import copy
from pathlib import Path

import torch


def save_weights(model, path):
    weights = type(model.state_dict())()
    for key, value in model.state_dict().items():
        weights[key] = value.detach().cpu().clone()
    torch.save(weights, str(path))


def load_weights(model, path, device):
    state = torch.load(Path(path), map_location=torch.device("cpu"))
    rehearsal = copy.deepcopy(model)
    rehearsal.load_state_dict(state, strict=True)
    if any(value.shape != state[key].shape for key, value in rehearsal.state_dict().items()):
        raise ValueError("a shape differs")
    model.load_state_dict(state)
    model.to(device=torch.device(device))
