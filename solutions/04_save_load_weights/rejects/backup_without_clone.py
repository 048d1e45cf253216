"""test_misfit: its backup is the same tensors, overwritten too."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    backup = model.state_dict()
    try:
        model.load_state_dict(state)
    except RuntimeError:
        model.load_state_dict(backup)
        raise
    model.to(device)
