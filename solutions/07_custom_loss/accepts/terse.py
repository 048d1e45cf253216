import torch


class MeanSquaredError(torch.autograd.Function):
    forward = staticmethod(lambda c, x, t: c.save_for_backward(x, t) or torch.mean((x - t) * (x - t)))

    @staticmethod
    def backward(c, g):
        x, t = c.saved_tensors
        return tuple(g * s * (x - t) / x.numel() if n else None for s, n in zip((2, -2), c.needs_input_grad))


def mse(x, target, _apply=MeanSquaredError.apply):
    if x.shape == target.shape:
        return _apply(x, target)
    raise ValueError((x.shape, target.shape))
