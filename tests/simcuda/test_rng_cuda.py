"""Random numbers of the devices."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from ptquiz.simcuda import Machine

DRAWS: dict[str, Callable[[], torch.Tensor]] = {
    "rand": lambda: torch.rand(4, device="cuda"),
    "randn_like": lambda: torch.randn_like(torch.empty(4, device="cuda")),
    "randint": lambda: torch.randint(100, (4,), device="cuda"),
    "randperm": lambda: torch.randperm(20, device="cuda"),
    "normal_": lambda: torch.empty(4, device="cuda").normal_(),
    "uniform_": lambda: torch.empty(4, device="cuda").uniform_(),
    "exponential_": lambda: torch.empty(4, device="cuda").exponential_(),
    "bernoulli": lambda: torch.bernoulli(torch.full((40,), 0.5, device="cuda")),
    "multinomial": lambda: torch.multinomial(torch.ones(50, device="cuda"), 4),
    "dropout": lambda: F.dropout(torch.ones(40, device="cuda")),
    "normal": lambda: torch.normal(torch.zeros(4, device="cuda"), 1.0),
    "rrelu": lambda: F.rrelu(-torch.ones(8, device="cuda"), training=True),
    "init": lambda: torch.nn.init.kaiming_normal_(torch.empty(4, 4, device="cuda")),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_use_the_devices_generator(machine: Machine, name: str) -> None:
    """Seeded by torch.cuda.manual_seed and by torch.manual_seed; the host's state is not touched."""
    draw = DRAWS[name]
    host = torch.get_rng_state()
    torch.cuda.manual_seed(5)
    first, second = draw().cpu(), draw().cpu()
    assert not torch.equal(first, second)
    torch.cuda.manual_seed(5)
    assert torch.equal(draw().cpu(), first)
    assert torch.equal(torch.get_rng_state(), host)
    torch.manual_seed(5)
    assert torch.equal(draw().cpu(), first)


def test_state_of_each_device(machine: Machine) -> None:
    """get_rng_state and set_rng_state, one device or all; devices do not disturb one another."""
    torch.cuda.manual_seed_all(3)
    states = torch.cuda.get_rng_state_all()
    assert len(states) == 2 and states[0].dtype is torch.uint8 and states[0].device.type == "cpu"
    first = torch.rand(3, device="cuda:0").cpu()
    assert torch.equal(torch.cuda.get_rng_state(1), states[1])
    torch.cuda.set_rng_state(states[0], 0)
    assert torch.equal(torch.rand(3, device="cuda:0").cpu(), first)
    torch.cuda.set_rng_state_all(states)
    assert torch.equal(torch.rand(3, device="cuda:1").cpu(), first)
    torch.cuda.seed_all()
    assert torch.cuda.initial_seed() != 3


def test_fork_rng(machine: Machine) -> None:
    """Inside, draws leave no trace."""
    before = torch.cuda.get_rng_state_all()
    with torch.random.fork_rng(devices=[0, 1]):
        torch.rand(2, device="cuda:0")
        torch.rand(2, device="cuda:1")
    assert all(torch.equal(a, b) for a, b in zip(before, torch.cuda.get_rng_state_all(), strict=True))


def test_generator_objects(machine: Machine) -> None:
    """torch.Generator("cuda"): its device, its seed, its copies; plain ones are what they were."""
    generator = torch.Generator("cuda:1").manual_seed(3)
    assert generator.device == torch.device("cuda", 1) and isinstance(generator, torch.Generator)
    first = torch.randn(3, device="cuda:1", generator=generator).cpu()
    generator.manual_seed(3)
    other = torch.Generator(device="cuda")
    other.set_state(generator.get_state())
    assert torch.equal(torch.randn(3, device="cuda", generator=other).cpu(), first)
    x = torch.empty(3, device="cuda:1").normal_(generator=generator)
    assert torch.equal(x.cpu(), first)
    assert torch.Generator().device.type == "cpu" and isinstance(torch.Generator(), torch.Generator)
    assert torch.Generator().manual_seed(3).initial_seed() == 3
    assert not isinstance(3, torch.Generator) and issubclass(type(generator), torch.Generator)
    permutation = torch.randperm(5, device="cuda", generator=torch.Generator("cuda").manual_seed(1))
    assert permutation.is_cuda
    assert copy.copy(torch.Generator()) is not None


def test_host_draws_are_the_hosts(machine: Machine) -> None:
    """Numbers on the host come from its own generator, before, between and after."""
    torch.manual_seed(9)
    want = [torch.rand(2), torch.rand(2)]
    torch.manual_seed(9)
    first = torch.rand(2)
    F.dropout(torch.ones(5, device="cuda"))
    torch.rand(5, device="cuda")
    assert torch.equal(first, want[0]) and torch.equal(torch.rand(2), want[1])
