"""Training on the simulated device gives the CPU's numbers, with every optimizer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "fused": True}),
    ("Adam", {}),
    ("Adam", {"capturable": True}),
    ("Adam", {"foreach": False}),
    ("Adam", {"fused": True}),
    ("AdamW", {"amsgrad": True}),
    ("RMSprop", {"momentum": 0.5}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("Adamax", {}),
    ("ASGD", {}),
    ("Rprop", {}),
    ("Adafactor", {}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_an_optimizer_takes_the_cpus_steps(machine: Machine, name: str, options: dict[str, Any]) -> None:
    """Three clipped steps on the device equal three on the CPU; parameters, gradients and state stay
    there."""
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    model = copy.deepcopy(reference).to("cuda")
    x = torch.randn(6, 4)
    kind = getattr(torch.optim, name)
    plain = {key: value for key, value in options.items() if key not in ("fused", "capturable", "foreach")}
    optimizer = kind(model.parameters(), **options)
    for net, step, data in (
        (model, optimizer, x.cuda()),
        (reference, kind(reference.parameters(), **plain), x),
    ):
        for _ in range(3):
            step.zero_grad()
            net(data).pow(2).mean().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            step.step()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        assert ours.is_cuda and ours.grad is not None and ours.grad.is_cuda
        torch.testing.assert_close(ours.cpu(), theirs)
    counters = ("step", "mu_product")  # these stay on the host unless the optimizer is capturable or fused
    states = [
        v for s in optimizer.state.values() for k, v in s.items() if torch.is_tensor(v) and k not in counters
    ]
    assert states or name == "SGD"
    assert all(state.is_cuda for state in states)


def test_lbfgs_calls_its_closure(machine: Machine) -> None:
    """LBFGS reads the loss on the host, and reaches the minimum."""
    weight = nn.Parameter(torch.full((3,), 2.0, device="cuda"))
    optimizer = torch.optim.LBFGS([weight], line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert weight.detach().abs().max().item() < 1e-4


@pytest.mark.parametrize("foreach", [None, True, False])
def test_clipping_over_two_devices(machine: Machine, foreach: bool | None) -> None:
    """Parameters of two devices are clipped by their common norm."""
    weights = [nn.Parameter(torch.full((2,), 3.0, device=f"cuda:{index}")) for index in (0, 1)]
    for weight in weights:
        weight.grad = torch.full_like(weight, 2.0)
    norm = nn.utils.clip_grad_norm_(weights, 1.0, foreach=foreach)
    assert norm.item() == pytest.approx(4.0)
    assert [weight.grad.get_device() for weight in weights] == [0, 1]  # type: ignore[union-attr]
    assert torch.allclose(weights[1].grad.cpu(), torch.full((2,), 0.5), atol=1e-5)  # type: ignore[union-attr]


def test_an_optimizer_over_two_devices(machine: Machine) -> None:
    """foreach groups by device: each group is one launch on its own device."""
    weights = [nn.Parameter(torch.ones(2, device=f"cuda:{index}")) for index in (0, 1, 0)]
    optimizer = torch.optim.Adam(weights, lr=0.5, foreach=True)
    for weight in weights:
        (weight.sum() * 2).backward()
    optimizer.step()
    for weight in weights:
        assert torch.allclose(weight.detach().cpu(), torch.full((2,), 0.5), atol=1e-4)


def test_state_dict_follows_the_parameters(machine: Machine) -> None:
    """Loading an optimizer's state casts it to the parameters' device."""
    model = nn.Linear(2, 1).cuda()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2, device="cuda")).sum().backward()
    optimizer.step()
    other = nn.Linear(2, 1).to("cuda:1")
    restored = torch.optim.Adam(other.parameters())
    restored.load_state_dict(optimizer.state_dict())
    assert restored.state[other.weight]["exp_avg"].device == torch.device("cuda", 1)


def test_foreach_over_devices(machine: Machine) -> None:
    """A list that spans devices is worked off device by device; every result is where its input is."""
    xs = [torch.ones(2, device="cuda:0"), torch.ones(3, device="cuda:1"), torch.ones(2, device="cuda:0")]
    out = torch._foreach_add(xs, [1.0, 2.0, 3.0])
    assert [t.get_device() for t in out] == [0, 1, 0] and [t[0].item() for t in out] == [2.0, 3.0, 4.0]
    torch._foreach_mul_(xs, out)
    assert [t[0].item() for t in xs] == [2.0, 3.0, 4.0]
    with pytest.raises(RuntimeError, match="same device"):
        torch._foreach_add(xs, [out[1], out[0], out[2]])
