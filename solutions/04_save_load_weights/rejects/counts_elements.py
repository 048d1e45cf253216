"""test_misfit: any shape with as many elements is taken."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    if mine.keys() != state.keys():
        raise KeyError("names differ")
    for name in mine:
        if mine[name].numel() != state[name].numel():
            raise ValueError(f"shape of {name} differs")
    for name, tensor in mine.items():
        tensor.copy_(state[name].reshape(tensor.shape))
    model.to(device)
