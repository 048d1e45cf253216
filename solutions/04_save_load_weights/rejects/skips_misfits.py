"""test_misfit: leaves out what does not fit."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    state = {k: v for k, v in state.items() if k in mine and v.shape == mine[k].shape}
    model.load_state_dict({**mine, **state})
    model.to(device)
