"""Errata of question 7, proven on the installed torch."""

import pytest
import torch


class _AsInTheSource(torch.autograd.Function):
    """The source's mistake: the gradient of a sum for the value of a mean, and none for the target."""

    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return (x - target).pow(2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        x, target = ctx.saved_tensors
        return 2 * (x - target) * grad_output, None


def _pair(**options):
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(5, generator=generator, dtype=torch.float64, **options) for _ in range(2)]


def test_the_gradient_without_one_over_n_fails_gradcheck():
    """Without 1/N the analytic gradient is N times the numeric one."""
    x, target = _pair()
    x.requires_grad_()
    assert not torch.autograd.gradcheck(_AsInTheSource.apply, (x, target), raise_exception=False)
    (gradient,) = torch.autograd.grad(_AsInTheSource.apply(x, target), x)
    torch.testing.assert_close(gradient, 5 * (2 / 5) * (x - target).detach())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_calling_an_instance_raises():
    """An autograd Function is used by `apply`; its instances cannot be called."""
    x, target = _pair()
    with pytest.raises(RuntimeError):
        _AsInTheSource()(x, target)


def test_the_target_gets_no_gradient():
    """A target that needs a gradient is left without one, and nothing warns."""
    x, target = _pair(requires_grad=True)
    _AsInTheSource.apply(x, target).backward()
    assert x.grad is not None
    assert target.grad is None
