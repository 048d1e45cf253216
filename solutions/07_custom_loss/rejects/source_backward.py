"""test_gradient_of_x: the source's formula: no 1/N, and nothing for the target"""

import torch


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return ((x - target) ** 2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        x, target = ctx.saved_tensors
        grad = 2 * (x - target) * grad_output
        return grad, None


def mse(x, target):
    if x.shape != target.shape:
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
