"""test_misfit: load_state_dict itself accepts a (1,) for a parameter without dimensions."""

import copy

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    copy.deepcopy(model).load_state_dict(state)
    model.load_state_dict(state)
    model.to(device)
