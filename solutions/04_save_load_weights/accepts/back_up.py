"""Tries, and puts the old values back if it fails."""

import torch


def save_weights(model, path):
    with open(path, "wb") as file:
        torch.save(model.state_dict(), file)


def load_weights(model, path, device):
    with open(path, "rb") as file:
        new = torch.load(file, map_location=device, weights_only=True)
    old = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        model.load_state_dict(new)
        assert all(new[name].shape == value.shape for name, value in old.items())
    except Exception:
        model.load_state_dict(old)
        raise
    return model.to(device)
