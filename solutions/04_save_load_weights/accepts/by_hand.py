"""No `load_state_dict`: all tensors are checked, then copied one by one; the model is moved before."""

import torch
from torch import nn


class Misfit(Exception):
    pass


def save_weights(model: nn.Module, path) -> None:
    device, modules = next(iter(model.parameters())).device, dict(model.named_modules())
    state = {n: p.data for n, p in model.named_parameters(remove_duplicate=False)}
    for prefix, module in modules.items():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                state[f"{prefix}.{name}".lstrip(".")] = buffer
    assert all(v.device == device for v in state.values())
    torch.save(state, path)


def load_weights(model: nn.Module, path, device) -> nn.Module:
    target = torch.device(device)
    state = torch.load(path, map_location=lambda storage, location: storage, weights_only=True)
    mine = model.state_dict(keep_vars=True)
    if set(mine) != set(state):
        raise Misfit(sorted(set(mine) ^ set(state)))
    if bad := [n for n in mine if mine[n].shape != state[n].shape]:
        raise Misfit(bad)
    model.to(target)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(state[name])
    return model
