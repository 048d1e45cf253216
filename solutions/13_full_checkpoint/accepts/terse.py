import os

import torch


def save_checkpoint(path, *things_and_epoch):
    *things, epoch = things_and_epoch
    torch.save([epoch, torch.get_rng_state(), *(t.state_dict() for t in things)], f"{path}.new")
    os.replace(f"{path}.new", path)


def load_checkpoint(path, *things):
    epoch, rng, *states = torch.load(path, weights_only=True)
    [t.load_state_dict(s) for t, s in zip(things, states, strict=True)]
    torch.set_rng_state(rng)
    return epoch + 1
