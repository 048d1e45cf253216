"""Data parallelism by hand: autograd itself carries the gradients back to the first device."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call


def data_parallel_step(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    devices: list[torch.device],
) -> tuple[Tensor, Tensor]:
    first = devices[0]
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    outputs = []
    # chunk gives pieces of ceil(n / k), and none that is empty.
    for shard, device in zip(inputs.chunk(len(devices)), devices, strict=False):
        # to() is differentiable: its backward copies the gradient back and adds it to the parameter's.
        replica = {name: tensor.to(device) for name, tensor in state.items()}
        outputs.append(functional_call(model, replica, (shard.to(device),)).to(first))
    gathered = torch.cat(outputs)
    # One loss over everything: the mean of the shards' means would weigh small shards too much.
    loss = loss_fn(gathered, targets)
    loss.backward()
    return loss.detach(), gathered.detach()
