"""test_round_trip: pairs the tensors by order, not by name."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = model.state_dict()
    assert len(mine) == len(state)
    model.load_state_dict(dict(zip(mine, state.values())))
    model.to(device)
