"""test_misfit: copies with broadcasting."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    if mine.keys() != state.keys():
        raise KeyError("names differ")
    for name, tensor in mine.items():
        tensor.copy_(state[name])
    model.to(device)
