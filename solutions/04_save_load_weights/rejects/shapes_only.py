"""test_misfit: compares shapes of common names only."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    for name in mine.keys() & state.keys():
        if mine[name].shape != state[name].shape:
            raise ValueError(f"shape of {name} differs")
    model.load_state_dict(state)
    model.to(device)
