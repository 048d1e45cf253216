"""Errata of question 16, proven on the installed torch."""

import pytest
import torch


class _AsInTheSource(torch.optim.Optimizer):
    """The source's mistakes: a closure that nobody gave is called, and the update breaks off."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        loss = closure()
        for group in self.param_groups:
            for _ in group["params"]:
                _ = self._adeccomm
        return loss


def _optimizer():
    return _AsInTheSource([torch.nn.Parameter(torch.ones(2))])


def test_calling_a_missing_closure_raises():
    """step() without a closure is the usual call."""
    with pytest.raises(TypeError):
        _optimizer().step()


def test_the_unfinished_line_raises():
    """Even with a closure the source's step ends in an attribute that does not exist."""
    with pytest.raises(AttributeError, match="_adeccomm"):
        _optimizer().step(lambda: torch.zeros(()))
