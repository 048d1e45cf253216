"""The newer spelling: a forward without ctx, and setup_context beside it."""

import torch


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(x, target):
        difference = x - target
        return difference.pow(2).sum() / difference.numel()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        x, target = ctx.saved_tensors
        gradients = [None, None]
        if ctx.needs_input_grad[0]:
            gradients[0] = 2 * (x - target) / x.numel() * grad_output
        if ctx.needs_input_grad[1]:
            gradients[1] = 2 * (target - x) / x.numel() * grad_output
        return tuple(gradients)


def mse(x, target):
    if x.size() != target.size():
        raise ValueError("shapes differ")
    return MeanSquaredError.apply(x, target)
