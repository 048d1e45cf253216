"""Copies: between host and device, on a device, between devices; which of them make the host wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ptquiz.simcuda.core.engine import Access
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import resolve
from ptquiz.simcuda.schema import Plan
from ptquiz.simcuda.storage import ATTRIBUTE, CPU, FLOATING, PINNED, State, state_of

__all__ = ["HANDLERS", "read_by_host", "transfer"]

Tensor = torch.Tensor


def transfer(
    machine: Machine, dst: Tensor, to: State | None, src: Tensor, source: State | None, non_blocking: bool
) -> None:
    """Accounts for a copy from `src` to `dst`; the values are there already. None: ordinary host memory."""
    here = CPU if source is None else source.device
    there = CPU if to is None else to.device
    if dst.numel() == 0:
        return
    if here < 0 and there < 0:
        _on_host(machine, dst, to, src, source)
    elif here < 0:
        _upload(machine, dst, to, src, source, non_blocking)
    elif there < 0:
        _download(machine, dst, to, src, source, non_blocking)
    elif here == there:
        _on_device(machine, dst, to, src, source)
    else:
        _between_devices(machine, dst, to, src, source)


def _accesses(
    machine: Machine, dst: Tensor, to: State | None, src: Tensor, source: State | None
) -> list[Access]:
    accesses = []
    if source is not None and source.block is not None:
        accesses.append(machine.access(src, source, False))
    if to is not None and to.block is not None:
        accesses.append(machine.access(dst, to, True))
    return accesses


def _nbytes(src: Tensor) -> int:
    return src.numel() * src.element_size()


def _on_host(machine: Machine, dst: Tensor, to: State | None, src: Tensor, source: State | None) -> None:
    accesses = _accesses(machine, dst, to, src, source)
    if accesses:
        machine.host_access(accesses)


def _over_the_bus(
    machine: Machine,
    name: str,
    stream: tuple[int, int],
    host: State | None,
    accesses: list[Access],
    nbytes: int,
) -> None:
    pinned = host is not None and host.device == PINNED
    duration = machine.costs.copy(name, nbytes, pinned)
    machine.launch(stream, "copy", name, duration, accesses, nbytes=nbytes, queue=name, pinned=pinned)
    if host is not None and host.block is not None:
        with machine.lock:
            machine.pinned.record_use(host.block, stream)


def _in_one_piece(dst: Tensor, src: Tensor, host: Tensor) -> bool:
    """Can the bytes of `host`, one of the two, go over the bus as they lie in memory?

    Otherwise PyTorch gathers them in ordinary memory first, or scatters them from there.
    """
    if dst.shape == src.shape and host.is_contiguous():
        return True
    dense = 1 + sum((n - 1) * step for n, step in zip(src.shape, src.stride(), strict=True)) == src.numel()
    return dense and dst.dtype == src.dtype and dst.shape == src.shape and dst.stride() == src.stride()


def _upload(
    machine: Machine, dst: Tensor, to: Any, src: Tensor, source: State | None, non_blocking: bool
) -> None:
    """Waits unless `non_blocking`. Pageable memory is staged: its bytes are read before the call returns."""
    stream = machine.stream(to.device)
    if source is not None and not _in_one_piece(dst, src, src):
        read_by_host(machine, src, "")
        source = None
    _over_the_bus(machine, "h2d", stream, source, _accesses(machine, dst, to, src, source), _nbytes(src))
    if not non_blocking:
        machine.host_wait(stream, "copy to device")


def _download(
    machine: Machine, dst: Tensor, to: State | None, src: Tensor, source: Any, non_blocking: bool
) -> None:
    """Does not wait only if it is `non_blocking` and its destination pinned."""
    stream = machine.stream(source.device)
    scattered = to is not None and not _in_one_piece(dst, src, dst)
    target = None if scattered else to
    _over_the_bus(machine, "d2h", stream, target, _accesses(machine, dst, target, src, source), _nbytes(src))
    if not non_blocking or target is None or target.device != PINNED:
        machine.host_wait(stream, "copy to host")
    if scattered:
        _on_host(machine, dst, to, src, None)


def _on_device(machine: Machine, dst: Tensor, to: Any, src: Tensor, source: Any) -> None:
    nbytes = _nbytes(src)
    accesses = _accesses(machine, dst, to, src, source)
    machine.launch(
        machine.stream(to.device), "copy", "d2d", machine.costs.copy("d2d", nbytes), accesses, nbytes=nbytes
    )


def _between_devices(machine: Machine, dst: Tensor, to: Any, src: Tensor, source: Any) -> None:
    """Runs on the source's current stream, after the destination's and before what comes next on it."""
    engine, here, there = machine.engine, machine.stream(source.device), machine.stream(to.device)
    line, nbytes = machine.line(), _nbytes(src)
    engine.wait_stream(here, there, line)
    accesses = _accesses(machine, dst, to, src, source)
    machine.launch(here, "copy", "p2p", machine.costs.copy("p2p", nbytes), accesses, nbytes=nbytes)
    engine.wait_stream(there, here, line)


def to_copy(machine: Machine, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`aten::_to_copy`: to another type, and, if a conversion in progress says so, to another device."""
    src: Tensor = args[0]
    non_blocking = bool(kwargs.pop("non_blocking", False))
    pin = kwargs.pop("pin_memory", None)
    source = state_of(src)
    here = CPU if source is None or source.device < 0 else source.device
    asked = kwargs.get("device")
    tls = machine.tls
    there = tls.placement
    if there is None:
        there = here
        if asked is not None and asked.type == "cuda":
            there = here if (index := resolve(machine, asked)) is None else index
    if asked is not None and asked.type == "cuda":
        kwargs["device"] = _HOST
    out: Tensor = plan.func(src, **kwargs)
    if out.is_meta:
        return out
    to: State | None = None
    tls.recent = there
    if there >= 0:
        to = machine.place(out, there)
    elif pin or (non_blocking and here >= 0):
        to = machine.place_pinned(out)
    elif source is FLOATING and there < 0:
        setattr(out.untyped_storage(), ATTRIBUTE, FLOATING)
        return out
    transfer(machine, out, to, src, source, non_blocking)
    return out


_HOST = torch.device("cpu")


def _joined(machine: Machine, tensor: Tensor, other: State | None) -> State | None:
    """A floating tensor goes where the other one lives."""
    setattr(tensor.untyped_storage(), ATTRIBUTE, None)
    return machine.place(tensor, other.device) if other is not None and other.device >= 0 else None


def copy_(machine: Machine, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`aten::copy_`: any device to any other."""
    dst, src = args[0], args[1]
    non_blocking = bool(args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
    to, source = state_of(dst), state_of(src)
    floats = to is not None and to.floating
    if floats is not (source is not None and source.floating):
        if floats:
            to = _joined(machine, dst, source)
        else:
            source = _joined(machine, src, to)
    out = plan.func(dst, src)
    if to is not None or source is not None:
        transfer(machine, dst, to, src, source, non_blocking)
    return out


def read_by_host(machine: Machine, tensor: Tensor, reason: str) -> None:
    """The host looks at the values: from a device it copies and waits; pinned memory it just reads."""
    state = state_of(tensor)
    if state is None or state.block is None or machine.tls.paused:
        return
    if state.device >= 0:
        stream = machine.stream(state.device)
        _over_the_bus(machine, "d2h", stream, None, [machine.access(tensor, state, False)], _nbytes(tensor))
        machine.host_wait(stream, reason)
    else:
        machine.host_access([machine.access(tensor, state, False)])


def item(machine: Machine, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`aten::_local_scalar_dense`: `.item()`, `bool(t)`, `float(t)` and all that needs one number on the
    host."""
    read_by_host(machine, args[0], "Tensor.item")
    return plan.func(*args, **kwargs)


HANDLERS: dict[str, Callable[[Machine, Plan, tuple[Any, ...], dict[str, Any]], Any]] = {
    "_to_copy": to_copy,
    "copy_": copy_,
    "_local_scalar_dense": item,
}
