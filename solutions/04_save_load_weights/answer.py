"""Reference answer to exercise 4."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the state dict of `model` to `path`; the model stays as it is."""
    # The state dict holds parameters and buffers, and no code: renaming the class does not break the file.
    torch.save(model.state_dict(), path)


def load_weights(model: nn.Module, path: str | Path, device: str | torch.device) -> None:
    """Load the file at `path` into `model` itself and move it to `device`."""
    # A file remembers its tensors' device: map_location. Unpickling may run anything: weights_only.
    state = torch.load(path, map_location="cpu", weights_only=True)
    # load_state_dict copies what fits before it raises, so it must not be the one to find out.
    _refuse_misfit(model.state_dict(), state)
    model.load_state_dict(state)
    model.to(device)


def _refuse_misfit(wanted: Mapping[str, Any], came: Any) -> None:
    if not isinstance(came, Mapping):
        raise TypeError(f"a state dict was expected, the file holds a {type(came).__name__}")
    if wanted.keys() != came.keys():
        raise KeyError(f"missing {wanted.keys() - came.keys()}, unexpected {came.keys() - wanted.keys()}")
    for name, tensor in wanted.items():
        if isinstance(tensor, Tensor) and tensor.shape != getattr(came[name], "shape", None):
            raise ValueError(f"{name}: shape {tuple(tensor.shape)} does not fit the file's entry")
