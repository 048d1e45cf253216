"""test_round_trip: copies parameters and forgets buffers."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    if mine.keys() != state.keys():
        raise KeyError("names differ")
    for name in mine:
        if mine[name].shape != state[name].shape:
            raise ValueError(f"shape of {name} differs")
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(state[name])
    model.to(device)
