"""The checkpoint by hand: forward without a graph, the inputs kept, each block run again on the way back."""

import torch


def _random_state(device):
    return torch.get_rng_state(), torch.cuda.get_rng_state(device)


def _set_random_state(state, device):
    torch.set_rng_state(state[0])
    torch.cuda.set_rng_state(state[1], device)


def low_memory_step(blocks, x, y, loss_fn, micro_batches):
    blocks = list(blocks)
    total, device = 0.0, x.device
    for part, target in zip(x.tensor_split(micro_batches), y.tensor_split(micro_batches)):
        inputs, states = [part], []
        with torch.no_grad():
            for block in blocks:
                states.append(_random_state(device))
                inputs.append(block(inputs[-1]))
        after = _random_state(device)
        output = inputs.pop().requires_grad_()
        loss = loss_fn(output, target) * (len(part) / len(x))
        (gradient,) = torch.autograd.grad(loss, output)
        for block in reversed(blocks):
            h = inputs.pop().detach()
            if inputs:
                h.requires_grad_()
            _set_random_state(states.pop(), device)
            with torch.enable_grad():
                again = block(h)
            if again.requires_grad:
                again.backward(gradient)
            gradient = h.grad
            del again, h
        _set_random_state(after, device)
        total = total + loss.detach()
    return total
