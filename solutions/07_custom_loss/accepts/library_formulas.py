"""Lets the library's own kernels compute both directions."""

import torch
import torch.nn.functional as F


class MeanSquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, target):
        ctx.save_for_backward(x, target)
        return F.mse_loss(x, target)

    @staticmethod
    def backward(ctx, grad_output):
        x, t = ctx.saved_tensors
        g = torch.ops.aten.mse_loss_backward(grad_output, x, t, 1)
        return tuple(s * g if need else None for s, need in zip((1, -1), ctx.needs_input_grad))


def mse(x, target):
    class ShapeMismatch(ValueError):
        pass

    if list(x.shape) != list(target.shape):
        raise ShapeMismatch(f"{x.shape} != {target.shape}")
    return MeanSquaredError.apply(x, target)
