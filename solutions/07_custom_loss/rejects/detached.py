"""test_second_derivative: backward detaches what it has saved"""

import torch


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return ((x - target) ** 2).mean()

    @staticmethod
    def backward(ctx, grad_output):
        x, target = ctx.saved_tensors
        grad = grad_output * 2 * (x - target).detach() / x.numel()
        return grad if ctx.needs_input_grad[0] else None, -grad if ctx.needs_input_grad[1] else None


def mse(x, target):
    if x.shape != target.shape:
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
