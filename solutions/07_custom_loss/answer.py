"""The mean squared error with a gradient written by hand."""

import torch
from torch import Tensor


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, target: Tensor) -> Tensor:
        # save_for_backward, not an attribute of ctx: autograd then notices an input changed in place,
        # frees the tensors after backward, and connects them for a second derivative.
        ctx.save_for_backward(x, target)
        return (x - target).square().mean()

    @staticmethod
    def backward(ctx, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, target = ctx.saved_tensors
        # d/dx_i of 1/N * sum((x_i - t_i)^2) is 2/N * (x_i - t_i); the chain rule adds grad_output.
        # Ordinary tensor operations on the saved inputs: so this line can be differentiated again.
        grad = grad_output * (2.0 / x.numel()) * (x - target)
        need_x, need_target = ctx.needs_input_grad
        return grad if need_x else None, -grad if need_target else None


def mse(x: Tensor, target: Tensor) -> Tensor:
    # Without this check (N,) against (N, 1) would broadcast to (N, N) and give a plausible, wrong number.
    if x.shape != target.shape:
        raise ValueError(f"mse: shapes differ, {tuple(x.shape)} and {tuple(target.shape)}")
    return MeanSquaredError.apply(x, target)
