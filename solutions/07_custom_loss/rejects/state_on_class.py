"""test_losses_do_not_share: keeps the inputs on the class, where the next call overwrites them"""

import torch


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        MeanSquaredError.saved = (x, target)
        return ((x - target) ** 2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        x, target = MeanSquaredError.saved
        grad = grad_output * 2 * (x - target) / x.numel()
        return grad if ctx.needs_input_grad[0] else None, -grad if ctx.needs_input_grad[1] else None


def mse(x, target):
    if x.shape != target.shape:
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
