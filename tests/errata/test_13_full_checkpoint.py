"""Errata of question 13, proven on the installed torch."""

import copy

import torch
from torch import nn


def _steps(model, optimizer, count):
    inputs = torch.arange(6.0).reshape(3, 2)
    for _ in range(count):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()


def test_weights_alone_do_not_resume():
    """After loading the weights only, a run with momentum takes another way."""
    torch.manual_seed(13)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    _steps(model, optimizer, 2)
    weights = copy.deepcopy(model.state_dict())
    _steps(model, optimizer, 2)

    resumed = nn.Linear(2, 1)
    resumed.load_state_dict(weights)
    _steps(resumed, torch.optim.SGD(resumed.parameters(), lr=0.01, momentum=0.9), 2)
    assert not torch.equal(resumed.weight, model.weight)
