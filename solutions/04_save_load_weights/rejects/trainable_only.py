"""test_file: saves only what is trainable."""

import torch


def save_weights(model, path):
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    torch.save({k: v for k, v in model.state_dict().items() if k not in frozen}, path)


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
