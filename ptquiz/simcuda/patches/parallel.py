"""What nn.DataParallel and torch.cuda.comm do in C++: broadcast, scatter, gather between devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.parallel import _functions

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.errors import not_modelled
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.patches.streams import handle_of

__all__ = ["install"]

Tensor = torch.Tensor


def install(machine: Machine, patcher: Patcher) -> None:
    """The C++ functions under torch.nn.parallel.comm. There is no NCCL: peer copies do its work."""
    patcher.set(_functions, "_streams", None)
    patcher.set(torch.cuda.nccl, "is_available", lambda tensors: False)
    for name in ("version", "init_rank", "unique_id"):
        if hasattr(torch.cuda.nccl, name):
            patcher.set(torch.cuda.nccl, name, _no_nccl)
    for name in ("_broadcast", "_broadcast_out", "_broadcast_coalesced", "_gather", "_gather_out"):
        patcher.set(torch._C, name, globals()[name])
    scatter, scatter_out = _scatters(machine)
    patcher.set(torch._C, "_scatter", scatter)
    patcher.set(torch._C, "_scatter_out", scatter_out)


def _no_nccl(*args: Any, **kwargs: Any) -> Any:
    not_modelled("NCCL", "torch.nn.parallel.comm works with peer copies.")


def _broadcast(tensor: Tensor, devices: Sequence[int]) -> list[Tensor]:
    if tensor.is_cuda and devices and tensor.get_device() != devices[0]:
        raise RuntimeError(
            f"Expected first entry of devices list ({devices[0]}) to be the device of the tensor "
            f"({tensor.get_device()})"
        )
    copies: list[Tensor] = []
    for index in devices:
        if tensor.is_cuda and tensor.get_device() == index and not copies:
            copies.append(tensor)
        else:
            copies.append(torch.empty_like(tensor, device=f"cuda:{index}").copy_(tensor, True))
    return copies


def _broadcast_out(tensor: Tensor, out: Sequence[Tensor]) -> list[Tensor]:
    for index, target in enumerate(out):
        if not target.is_cuda:
            raise RuntimeError(
                f"Expected all output tensors to be CUDA tensors, but output tensor at {index} is not"
            )
        if target.shape != tensor.shape:
            raise RuntimeError(
                f"Expected all output tensors to have same shape as the source tensor {list(tensor.shape)}, "
                f"but output tensor at {index} has shape {list(target.shape)}"
            )
        target.copy_(tensor, True)
    return list(out)


def _broadcast_coalesced(
    tensors: Sequence[Tensor], devices: Sequence[int], buffer_size: int
) -> list[list[Tensor]]:
    if not all(tensor.get_device() == devices[0] for tensor in tensors):
        raise RuntimeError("All tensors must be on devices[0]: " + str(devices[0]))
    return [
        list(tensors)
        if place == 0
        else [torch.empty_like(t, device=f"cuda:{index}").copy_(t, True) for t in tensors]
        for place, index in enumerate(devices)
    ]


def _chunks(tensor: Tensor, count: int, chunk_sizes: Any, dim: int) -> Sequence[Tensor]:
    if chunk_sizes is None:
        return tensor.chunk(count, dim)
    if sum(chunk_sizes) != tensor.shape[dim]:
        raise RuntimeError(
            f"Expected 'chunk_sizes' to sum up to the tensor's size in dimension {dim} "
            f"({tensor.shape[dim]}), but got {sum(chunk_sizes)}"
        )
    parts: Sequence[Tensor] = torch.split(tensor, list(chunk_sizes), dim)
    return parts


def _scatters(machine: Machine) -> tuple[Any, Any]:
    def send(chunk: Tensor, index: int, stream: Any) -> Tensor:
        if stream is None:
            return chunk.to(f"cuda:{index}", non_blocking=True)
        tls = machine.tls
        before, tls.streams[index] = tls.streams[index], handle_of(stream.stream_id, index)
        try:
            return chunk.to(f"cuda:{index}", non_blocking=True)
        finally:
            tls.streams[index] = before

    def scatter(
        tensor: Tensor, devices: Sequence[int], chunk_sizes: Any = None, dim: int = 0, streams: Any = None
    ) -> list[Tensor]:
        if not devices:
            raise RuntimeError("Expected at least one device to scatter to")
        chunks = _chunks(tensor, len(devices), chunk_sizes, dim)
        streams = streams or [None] * len(devices)
        return [send(c, d, s) for c, d, s in zip(chunks, devices, streams, strict=False)]

    def scatter_out(tensor: Tensor, out: Sequence[Tensor], dim: int = 0, streams: Any = None) -> list[Tensor]:
        if not out:
            raise RuntimeError("Expected at least one output tensor to scatter to")
        for target, chunk in zip(out, _chunks(tensor, 0, [t.shape[dim] for t in out], dim), strict=True):
            if not target.is_cuda:
                raise RuntimeError("Expected all output tensors to be CUDA tensors")
            target.copy_(chunk, True)
        return list(out)

    return scatter, scatter_out


def _gather(tensors: Sequence[Tensor], dim: int, destination: Any = None) -> Tensor:
    """All to one device, or to the host (-1), joined along `dim`."""
    for index, tensor in enumerate(tensors):
        if not tensor.is_cuda:
            raise RuntimeError(
                f"Expected all input tensors to be CUDA tensors, but tensor at index {index} is not"
            )
    if destination is None:
        destination = torch.cuda.current_device()
    where = "cpu" if destination == -1 else f"cuda:{destination}"
    shape = list(tensors[0].shape)
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return _gather_out(tensors, torch.empty(shape, dtype=tensors[0].dtype, device=where), dim)


def _gather_out(tensors: Sequence[Tensor], out: Tensor, dim: int) -> Tensor:
    sizes = [tensor.shape[dim] for tensor in tensors]
    if out.shape[dim] != sum(sizes):
        raise RuntimeError(
            f"Expected out tensor to have size {sum(sizes)} in dimension {dim}, but it has {out.shape[dim]}"
        )
    for part, tensor in zip(torch.split(out, sizes, dim), tensors, strict=True):
        part.copy_(tensor, out.is_cuda)
    return out
