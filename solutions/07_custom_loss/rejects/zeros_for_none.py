"""test_none_where_not_needed: gives zeros to an input that needs no gradient"""

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
        zero = torch.zeros_like(x)
        return grad if ctx.needs_input_grad[0] else zero, -grad if ctx.needs_input_grad[1] else zero


def mse(x, target):
    if x.shape != target.shape:
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
