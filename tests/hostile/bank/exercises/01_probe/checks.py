"""The probe's hidden checks."""

import os
import random
import sys
import warnings

import torch

from ptquiz.worker import claims


def test_names(submission):
    """The names exist"""
    claims.that(callable(submission.double), "double is a function", claims.summary(submission.double))


def test_value(submission, draw):
    """The value"""
    x = draw.randn(3, 2)
    y = claims.tensor(submission.double(x), "double(x)", shape=(3, 2), dtype=torch.float64)
    claims.close(y, x * 2, "double(x)")
    claims.that(torch.allclose(y, x * 2), "torch.allclose agrees", "it does not")


def test_gradient(submission, draw):
    """The gradient"""
    x = draw.randn(4, requires_grad=True)
    y = claims.tensor(submission.double(x), "double(x)")
    (grad,) = torch.autograd.grad(y.sum(), x)
    claims.close(grad, torch.full_like(x, 2.0), "x.grad")
    torch.autograd.gradcheck(submission.double, (x,))


def test_surroundings(draw):
    """A clean start"""
    first = torch.rand(3)
    torch.manual_seed(torch.initial_seed())
    state = [
        torch.get_default_dtype() == torch.float32,
        torch.empty(1).device.type == "cpu",
        torch.is_grad_enabled(),
        torch.get_num_threads() == 1,
        not os.listdir("."),
        "PROBE" not in os.environ,
        sys.gettrace() is None,
        bool(torch.equal(first, torch.rand(3))),
        sys.getrecursionlimit() == 1000,
        not any(action == "error" for action, *_ in warnings.filters),
        not torch.are_deterministic_algorithms_enabled(),
        random.random() is not None,
    ]
    claims.that(all(state), "everything as at the start", repr(state))
