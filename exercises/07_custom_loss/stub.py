import torch
from torch import Tensor


class MeanSquaredError(torch.autograd.Function):
    """The mean over all elements of (x - target) ** 2, with a gradient written by hand.

    Use: `MeanSquaredError.apply(x, target)`, two tensors of one shape, float32 or float64 -> a 0-dim tensor.
    """

    @staticmethod
    def forward(ctx, x: Tensor, target: Tensor) -> Tensor:
        # TODO: compute the loss, and keep what backward will need
        raise NotImplementedError

    @staticmethod
    def backward(ctx, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        # TODO: the gradients of x and of target; None for an input that needs none
        raise NotImplementedError


def mse(x: Tensor, target: Tensor) -> Tensor:
    """The mean squared error of x and target; ValueError if their shapes differ."""
    # TODO: check the shapes, then apply MeanSquaredError
    raise NotImplementedError
