"""test_misfit: prints the error and goes on."""

import torch


def save_weights(model, path):
    torch.save(model.state_dict(), path)


def load_weights(model, path, device):
    state = torch.load(path, map_location="cpu", weights_only=True)
    backup = {k: v.clone() for k, v in model.state_dict().items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        print(error)
        model.load_state_dict(backup)
    model.to(device)
