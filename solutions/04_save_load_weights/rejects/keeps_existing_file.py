"""test_file: does not replace a file that is already there."""

import os

import torch


def save_weights(model, path):
    if not os.path.exists(path):
        torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    if mine.keys() != state.keys():
        raise KeyError("names differ")
    for name in mine:
        if mine[name].shape != state[name].shape:
            raise ValueError(f"shape of {name} differs")
    model.load_state_dict(state)
    model.to(device)
