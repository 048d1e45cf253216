"""Errata of question 15, proven on the installed torch."""

import pickle

import torch
from torch import nn


class _AsInTheSource(nn.Module):
    """The source's mistake: extra state through pickle's protocol, saved through state_dict()."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def __getstate__(self):
        return {**self.__dict__, "note": "kept"}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.note = state["note"]


def test_state_dict_never_calls_getstate():
    """The state dict holds the two tensors of the layer and nothing else; pickle alone carries the note."""
    assert set(_AsInTheSource().state_dict()) == {"layer.weight", "layer.bias"}
    assert pickle.loads(pickle.dumps(_AsInTheSource())).note == "kept"


def test_a_new_instance_has_other_weights():
    """The state dict of a new instance is not that of the trained model."""
    torch.manual_seed(15)
    trained = _AsInTheSource()
    assert not torch.equal(_AsInTheSource().state_dict()["layer.weight"], trained.layer.weight)


def test_load_state_dict_never_calls_setstate():
    """After load_state_dict the attribute does not exist."""
    model = _AsInTheSource()
    model.load_state_dict(_AsInTheSource().state_dict())
    assert not hasattr(model, "note")
