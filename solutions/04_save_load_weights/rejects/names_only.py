"""test_misfit: compares names and not shapes."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    if mine.keys() != state.keys():
        raise KeyError("names differ")
    model.load_state_dict(state)
    model.to(device)
