"""test_none_where_not_needed: computes both gradients whoever needs them"""

import torch


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return ((x - target) ** 2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        x, target = ctx.saved_tensors
        grad = grad_output * 2 * (x - target) / x.numel()
        return grad, -grad


def mse(x, target):
    if x.shape != target.shape:
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
