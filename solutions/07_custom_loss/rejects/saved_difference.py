"""test_second_derivative: saves the difference made in forward, which autograd takes for a constant"""

import torch


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        difference = x - target
        ctx.save_for_backward(difference)
        return (difference**2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        (difference,) = ctx.saved_tensors
        grad = grad_output * 2 * difference / difference.numel()
        return grad if ctx.needs_input_grad[0] else None, -grad if ctx.needs_input_grad[1] else None


def mse(x, target):
    if x.shape != target.shape:
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
