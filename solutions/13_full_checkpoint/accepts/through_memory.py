"""Pickles into memory first, then lets tempfile find a name beside the target."""

import io
import os
import tempfile

import torch


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    buffer = io.BytesIO()
    parts = [thing.state_dict() for thing in (model, optimizer, scheduler)]
    torch.save((parts, torch.random.get_rng_state(), epoch + 1), buffer)
    folder = os.path.dirname(os.path.abspath(path))
    handle, name = tempfile.mkstemp(dir=folder)
    try:
        os.write(handle, buffer.getvalue())
        os.close(handle)
        os.rename(name, path)
    except BaseException:
        os.unlink(name)
        raise


def load_checkpoint(path, model, optimizer, scheduler):
    (parts, state, following) = torch.load(path)
    for thing, part in zip((model, optimizer, scheduler), parts):
        thing.load_state_dict(part)
    torch.random.set_rng_state(state)
    return following
