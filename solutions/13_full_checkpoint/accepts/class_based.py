"""One object knows what a checkpoint consists of; python's own random state is carried along too."""

import random
import shutil
from pathlib import Path

import torch


class _Snapshot:
    def __init__(self, **things):
        self.things = things

    def state_dict(self):
        state = {name: thing.state_dict() for name, thing in self.things.items()}
        return {
            **state,
            "torch_random": torch.default_generator.get_state(),
            "python_random": random.getstate(),
        }

    def load_state_dict(self, state):
        for name, thing in self.things.items():
            thing.load_state_dict(state[name])
        torch.default_generator.set_state(state["torch_random"])
        version, numbers, gauss = state["python_random"]
        random.setstate((version, tuple(numbers), gauss))


def save_checkpoint(path, model, optimizer, scheduler, epoch):
    target = Path(path)
    workplace = target.parent / (target.name + ".partial")
    workplace.mkdir(exist_ok=True)
    snapshot = _Snapshot(model=model, optimizer=optimizer, scheduler=scheduler)
    try:
        torch.save({"finished": epoch, "state": snapshot.state_dict()}, workplace / "new")
        (workplace / "new").replace(target)
    finally:
        shutil.rmtree(workplace)


def load_checkpoint(path, model, optimizer, scheduler):
    loaded = torch.load(Path(path), weights_only=True)
    _Snapshot(model=model, optimizer=optimizer, scheduler=scheduler).load_state_dict(loaded["state"])
    return 1 + loaded["finished"]
