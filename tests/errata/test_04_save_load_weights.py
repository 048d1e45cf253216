"""The errata of exercise 4, proven on the installed torch."""

from pathlib import Path

import pytest
import torch
from torch import nn


def test_a_file_from_a_gpu_needs_map_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose tensors carry the tag `cuda:0` opens without a GPU only by `map_location`."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "model.pth")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    model = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="map_location"):
        model.load_state_dict(torch.load(tmp_path / "model.pth"))
    model.load_state_dict(torch.load(tmp_path / "model.pth", map_location="cpu"))


def test_load_state_dict_raises_half_way() -> None:
    """Entries that fit are overwritten although the call raises."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    state = {name: torch.full_like(tensor, 7.0) for name, tensor in model.state_dict().items()}
    state["1.bias"] = torch.zeros(3)
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict(state)
    assert bool((model[0].weight == 7).all())


def test_parameters_alone_forget_the_statistics() -> None:
    """A batch norm restored from its parameters alone gives another output in eval mode."""
    norm = nn.BatchNorm1d(3)
    norm(torch.arange(12.0).reshape(4, 3))
    other = nn.BatchNorm1d(3)
    other.load_state_dict({name: p.data for name, p in norm.named_parameters()}, strict=False)
    x = torch.ones(2, 3)
    assert not torch.allclose(norm.eval()(x), other.eval()(x))
    other.load_state_dict(norm.state_dict())
    assert torch.equal(norm(x), other(x))
