"""test_crash_at_any_line: moves the earlier file away and brings it back when an exception comes"""

import os

import torch


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "rng": torch.get_rng_state(),
        "epoch": epoch,
    }
    if os.path.exists(path):
        os.replace(path, f"{path}.bak")
    try:
        torch.save(checkpoint, path)
    except BaseException:
        if os.path.exists(f"{path}.bak"):
            os.replace(f"{path}.bak", path)
        raise
    if os.path.exists(f"{path}.bak"):
        os.remove(f"{path}.bak")


def load_checkpoint(path, model, optimizer, scheduler):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    torch.set_rng_state(checkpoint["rng"])
    return checkpoint["epoch"] + 1
