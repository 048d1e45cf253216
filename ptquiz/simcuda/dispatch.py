"""Every operation passes here: where it runs, what it touches, what it takes, where its result lives.

The operation itself is the CPU's. Operators without a device tensor run as they are; the others are put on
the current stream of their device, with the bytes they read and write.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ptquiz.simcuda.copying import HANDLERS
from ptquiz.simcuda.core.engine import Access
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import Found, check_same_device, resolve, type_name
from ptquiz.simcuda.random import given_generator, kind_of, wrong_generator
from ptquiz.simcuda.schema import Plan
from ptquiz.simcuda.storage import ATTRIBUTE, CPU, FLOATING, PINNED, State, footprint, state_of, storage_of

__all__ = ["SimMode"]

Tensor = torch.Tensor
_HOST = torch.device("cpu")
_MEMORYLESS_ZEROS = torch.ops.aten._efficientzerotensor.default
_ZEROS = torch.ops.aten.zeros.default
_current_node = torch._C._current_autograd_node


class SimMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of the threads that have entered it, backward included."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.machine = machine
        self.plans: dict[Any, Plan] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: the wrapper that says so imports torch._dynamo (a second) and costs microseconds a call."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        plan = self.plans.get(func)
        if plan is None:
            # Zeros without memory crash in `mul.Scalar` under any dispatch mode: ordinary ones do as well.
            plan = self.plans[func] = Plan(_ZEROS if func is _MEMORYLESS_ZEROS else func)
            plan.special = HANDLERS.get(plan.name) or _CHECKED.get(plan.name)
        machine = self.machine
        if kwargs is None:
            kwargs = {}
        if plan.view or machine.tls.paused:
            return plan.func(*args, **kwargs)
        if plan.special is not None:
            return plan.special(machine, plan, args, kwargs)
        if plan.creates and (plan.factory or machine.tls.placement is not None):
            return create(machine, plan, args, kwargs)
        if kwargs and (asked := kwargs.get("device")) is not None and asked.type == "cuda":
            return create(machine, plan, args, kwargs)
        return run(machine, plan, args, kwargs)


def _pack(machine: Machine, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`aten::_pack_padded_sequence`: the lengths are read on the host."""
    lengths: Tensor = args[1]
    if lengths.is_cuda:
        kind = type_name(lengths, 0).rpartition(".")[2].removesuffix("Tensor")
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device} "
            f"{kind} tensor"
        )
    return run(machine, plan, args, kwargs)


def _record_stream(machine: Machine, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """`torch.ops.aten.record_stream`: the method in another dress."""
    args[0].record_stream(args[1] if len(args) > 1 else kwargs["s"])


_CHECKED = {"_pack_padded_sequence": _pack, "record_stream": _record_stream}


def gather(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Found:
    """The tensors among the arguments, with their states."""
    found: Found = []
    count = len(args)
    for index, name, is_list, written in plan.positional:
        if index >= count:
            break
        value = args[index]
        if isinstance(value, Tensor):
            found.append((value, state_of(value), name, written))
        elif is_list and value is not None:
            found.extend((item, state_of(item), name, written) for item in value if isinstance(item, Tensor))
    if kwargs:
        for name, (_, written) in plan.keyword.items():
            value = kwargs.get(name)
            if isinstance(value, Tensor):
                found.append((value, state_of(value), name, written))
            elif isinstance(value, (list, tuple)):
                found.extend(
                    (item, state_of(item), name, written) for item in value if isinstance(item, Tensor)
                )
    return found


def run(machine: Machine, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operator on tensors: on the host if all of them live there, else on their device's current
    stream."""
    found = gather(plan, args, kwargs)
    device, plain = CPU, True
    for _, state, _, _ in found:
        if state is None:
            plain = plain and device == CPU
        elif state.device == device:
            plain = plain and device >= 0
        elif device == CPU and state.device >= 0 and state is found[0][1]:
            device = state.device
        else:
            plain = False
    if not plain:
        if plan.name.startswith("_foreach_") and (parts := _by_device(args)) is not None:
            return _foreach(machine, plan, args, kwargs, parts)
        device = _settle(machine, plan, found)
    machine.tls.recent = device
    if device >= 0:
        return _on_device(machine, plan, args, kwargs, found, device)
    if plain:
        return on_host(plan, args, kwargs)
    return _on_host(machine, plan, args, kwargs, found)


def _by_device(args: tuple[Any, ...]) -> list[list[int]] | None:
    """Positions of the first list's tensors by device; None if they share one."""
    parts: dict[int, list[int]] = {}
    for position, tensor in enumerate(args[0]):
        state = state_of(tensor)
        parts.setdefault(CPU if state is None else state.device, []).append(position)
    return list(parts.values()) if len(parts) > 1 else None


def _foreach(machine: Machine, plan: Plan, args: Any, kwargs: Any, parts: list[list[int]]) -> Any:
    """Lists that span devices: one launch on each."""
    count = len(args[0])
    results: list[Any] = [None] * count
    for part in parts:
        cut = tuple(
            [a[i] for i in part] if isinstance(a, (list, tuple)) and len(a) == count else a for a in args
        )
        out = run(machine, plan, cut, kwargs)
        for position, result in zip(part, out or (), strict=False):
            results[position] = result
    return None if all(result is None for result in results) else results


def on_host(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operator itself, on the host."""
    if plan.seeded and plan.generator:
        given = given_generator(args, kwargs)
        if given is not None and kind_of(given) == "cuda":
            raise wrong_generator("cpu", given)
    return plan.func(*args, **kwargs)


def _settle(machine: Machine, plan: Plan, found: Found) -> int:
    """Tensors in several places: checks that they may meet, and lets floating ones join the others."""
    firm = [item for item in found if item[1] is None or not item[1].floating]
    device = check_same_device(machine, plan, firm)
    if device < 0 and not any(tensor.dim() for tensor, _, _, _ in firm):
        device = max([CPU, *(state.device for _, state, _, _ in found if state is not None)])
        if device < 0:
            return CPU
    for index, (tensor, state, name, written) in enumerate(found):
        if state is None or not state.floating:
            continue
        new = state_of(tensor)  # the same memory may come twice
        if new is not None and new.floating:
            new = None
            setattr(tensor.untyped_storage(), ATTRIBUTE, None)
            if device >= 0:
                new = machine.place(tensor, device)
        found[index] = (tensor, new, name, written)
    return device


def _on_host(machine: Machine, plan: Plan, args: Any, kwargs: Any, found: Found) -> Any:
    """An operator of the host that touches pinned or floating memory."""
    out = on_host(plan, args, kwargs)
    touched = [
        machine.access(t, s, w) for t, s, _, w in found if s is not None and s.device == PINNED and s.block
    ]
    if touched and plan.launches:
        machine.host_access(touched)
    if any(state is FLOATING for _, state, _, _ in found):
        _float(out)
    return out


def _on_device(machine: Machine, plan: Plan, args: Any, kwargs: Any, found: Found, device: int) -> Any:
    """Runs an operator whose tensors live on `device`, and accounts for it on the current stream."""
    out = machine.randomly(device, plan, args, kwargs) if plan.seeded else plan.func(*args, **kwargs)
    if plan.mutates and plan.resizes_memory:
        found = _follow_sizes(machine, found)
    line = machine.line()
    accesses: list[Access] = []
    on_host: list[Access] = []
    nbytes = 0
    for tensor, state, _, written in found:
        if state is None or state.block is None:
            continue
        where = footprint(tensor, state)
        if state.device == PINNED:
            on_host.append(Access(PINNED, where, written, machine.label(tensor)))
            continue
        nbytes += where[1] - where[0]
        accesses.append(Access(device, where, written, machine.label(tensor)))
    fresh = False
    kept = out[1] if plan.name == "_pack_padded_sequence" else None  # batch sizes stay on the host
    for tensor in (out,) if isinstance(out, Tensor) else out if isinstance(out, (tuple, list)) else ():
        if not isinstance(tensor, Tensor):
            continue
        storage = storage_of(tensor)
        if storage._simcuda is not None or tensor is kept:
            continue
        size = storage.nbytes()
        state = machine.allocate(device, size, line)
        storage._simcuda = state
        fresh = True
        if state.block is not None:
            nbytes += size
            accesses.append(Access(device, footprint(tensor, state), True, machine.label(tensor)))
    if on_host:
        machine.host_access(on_host)
    waits = plan.waits or (plan.masked and _has_mask(args))
    if plan.launches and (fresh or plan.mutates or waits):
        duration = machine.costs.kernel(nbytes, plan.flops(args, out) if plan.flops else 0)
        stream = machine.stream(device)
        machine.launch(stream, "kernel", plan.name, duration, accesses, nbytes=nbytes, line=line)
        if waits:
            machine.host_wait(stream, _REASONS.get(plan.name) or f"torch.{plan.name.strip('_')}")
    return out


_REASONS = {
    "_local_scalar_dense": "Tensor.item",
    "index": "indexing with a mask",
    "index_put_": "indexing with a mask",
}


def _has_mask(args: tuple[Any, ...]) -> bool:
    return any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1])


def _follow_sizes(machine: Machine, found: Found) -> Found:
    """`out=`, `resize_` and `set_` may have moved a tensor's memory: looks again, takes more where it has
    grown."""
    for tensor, _, _, written in found:
        storage = storage_of(tensor)
        state = storage._simcuda
        if written and state is not None and state.device >= 0 and storage.nbytes() > state.nbytes:
            machine.resized(storage)
    return [(tensor, state_of(tensor), name, written) for tensor, _, name, written in found]


def create(machine: Machine, plan: Plan, args: Any, kwargs: dict[str, Any]) -> Any:
    """A factory: its result lives where the call in progress wants it; made by C++ of its own accord, it
    floats."""
    place, guessed = machine.tls.placement, False
    asked = kwargs.get("device")
    if asked is not None and asked.type != "cpu":
        if asked.type != "cuda":
            return plan.func(*args, **kwargs)
        place = resolve(machine, asked)
        kwargs["device"] = _HOST
    kwargs.pop("pin_memory", None)
    if place is None and _current_node() is not None:
        place, guessed = machine.tls.recent, True  # in backward: probably where the node works
    if place is None or (guessed and place < 0):
        out = plan.func(*args, **kwargs)
        _float(out)
        return out
    if place < 0:
        return on_host(plan, args, kwargs)
    state = _in_advance(machine, plan, args, kwargs, place)
    out = machine.randomly(place, plan, args, kwargs) if plan.seeded else plan.func(*args, **kwargs)
    storage = out.untyped_storage()
    if state is None or storage.nbytes() != state.nbytes:
        state = machine.allocate(place, storage.nbytes())
    state.floating = guessed
    setattr(storage, ATTRIBUTE, state)
    if plan.launches and state.block is not None:
        stream = machine.stream(place)
        access = machine.access(out, state, True)
        duration = machine.costs.kernel(state.nbytes)
        machine.launch(stream, "kernel", plan.name, duration, [access], nbytes=state.nbytes)
    return out


_SIZED = frozenset(("empty", "zeros", "ones", "full", "rand", "randn"))


def _in_advance(machine: Machine, plan: Plan, args: Any, kwargs: Any, device: int) -> State | None:
    """Takes the memory before the host does: what does not fit on the device must not fill the real
    memory."""
    if plan.name not in _SIZED or not args or not isinstance(args[0], (list, tuple)):
        return None
    dtype = kwargs.get("dtype")
    if dtype is None:
        if plan.name == "full":
            return None
        dtype = torch.get_default_dtype()
    return machine.allocate(device, math.prod(args[0]) * dtype.itemsize)


def _float(out: Any) -> None:
    for tensor in (out,) if isinstance(out, Tensor) else out if isinstance(out, (tuple, list)) else ():
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
            continue
        storage = tensor.untyped_storage()
        if storage._simcuda is None and not tensor.is_meta:  # type: ignore[attr-defined]
            setattr(storage, ATTRIBUTE, FLOATING)
