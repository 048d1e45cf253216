"""Backward: each node runs on the stream that was current when it was made, and waits for its producers.

PyTorch notes a stream on each node in C++, where the simulated device cannot be seen. Here the node is found
by its sequence number: nodes are numbered as they are made, and each thread keeps a list of its stream
switches with the number that was next. As long as nobody has switched streams, nothing of this runs.

Numbers are counted per thread. A node that another thread made is taken for one of the calling thread's if
its number says so; its stream may then be the wrong one, its order is right all the same.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction

from ptquiz.simcuda.core.engine import Access, StreamKey
from ptquiz.simcuda.core.ordering import Point
from ptquiz.simcuda.storage import state_of

__all__ = ["Run", "Switches", "install", "note_switch"]

_next_number = torch._C._autograd._get_sequence_nr
_current_node = torch._C._current_autograd_node
_ACCUMULATE = 2**63  # AccumulateGrad nodes have the greatest number of all
_KEPT = 100_000
_serial = itertools.count()

Choice = tuple[int, ...]  # the current stream of each device


class Switches:
    """The current streams that one thread had chosen, by the number of the next node."""

    def __init__(self, devices: int) -> None:
        self.numbers = [0]
        self.choices: list[Choice] = [(0,) * devices]

    def note(self, choice: Choice) -> None:
        """From now on nodes are made under `choice`."""
        number = _next_number()
        if self.numbers[-1] == number:
            self.choices[-1] = choice
        elif self.choices[-1] != choice:
            self.numbers.append(number)
            self.choices.append(choice)
            if len(self.numbers) > _KEPT:
                del self.numbers[: _KEPT // 2], self.choices[: _KEPT // 2]

    def at(self, number: int) -> Choice:
        """What was chosen when node `number` was made."""
        return self.choices[max(0, bisect_right(self.numbers, number) - 1)]


class Run:
    """One call of the engine: the graph's edges against the flow, and what each node has launched so far."""

    def __init__(self, machine: Any, roots: list[Any]) -> None:
        self.machine = machine
        self.device: int = machine.tls.device
        self.choice: Choice = tuple(machine.tls.streams)
        self.node: Any = None
        self.own: Choice = self.choice  # the streams of the running node
        self.producers: dict[Any, list[Any]] = {}
        self.points: dict[Any, dict[StreamKey, Point]] = {}
        self.keys: dict[StreamKey, None] = {}  # all streams that nodes ran on, in order
        self._start: dict[StreamKey, Point] = {}
        self._consumers: dict[Any, list[Any]] = {}
        self._first: dict[Any, int] = {}  # AccumulateGrad -> the number of the first node that used the leaf
        self._blocks: dict[int, Any] = {}  # by address: memory of gradients
        self._addresses: list[int] = []
        self._walk(roots)

    def adopt(self, state: Any) -> None:
        """This memory holds a gradient."""
        block = state.block
        if block is not None and state.device >= 0:
            if block.address not in self._blocks:
                insort(self._addresses, block.address)
            self._blocks[block.address] = block

    def record_uses(self, key: StreamKey, accesses: Iterable[Access]) -> None:
        """Gradients are recorded on the streams that consume them, as PyTorch's engine does.

        They may be freed at any time, and their memory belongs to the stream that made them.
        """
        for access in accesses:
            at = bisect_right(self._addresses, access[1][0]) - 1
            if at < 0 or access[0] < 0:
                continue
            block = self._blocks[self._addresses[at]]
            if block.allocated and block.device == access[0] and access[1][0] < block.address + block.size:
                self.machine.allocators[block.device].record_stream(block, key)

    def _walk(self, roots: list[Any]) -> None:
        """Notes who feeds whom. A root is fed by the caller, which None stands for."""
        stack = []
        for root in roots:
            self.producers.setdefault(root, []).append(None)
            stack.append(root)
        while stack:
            node = stack.pop()
            if node in self._consumers:
                continue
            self._consumers[node] = consumers = [follower for follower, _ in node.next_functions if follower]
            number = node._sequence_nr()
            for consumer in consumers:
                self.producers.setdefault(consumer, []).append(node)
                self._first[consumer] = min(number, self._first.get(consumer, number))
                stack.append(consumer)

    def select(self, node: Any) -> None:
        """`node` begins: its streams become current."""
        self.leave()
        self.node = node
        self.own = self._chosen(node)
        _choose(self.machine.tls, self.machine.tls.device, self.own)

    def enter(self, node: Any, device: int) -> None:
        """`node` is about to run something on `device`."""
        if node is not self.node:
            self.select(node)
            self.machine.tls.device = device
        key = (device, self.machine.tls.streams[device])
        mine = self.points.setdefault(node, {})
        if key not in mine and key[1] == self.own[device]:  # a stream that a hook chose is the hook's affair
            mine[key] = self.machine.engine.point(key)
            self.keys[key] = None
            self._wait(key, self._ends(self.producers.get(node, [None]), node, device))

    def leave(self) -> None:
        """The node that ran last has ended: what it launched is complete at these points."""
        if self.node is not None:
            mine = self.points.get(self.node, {})
            for key in mine:
                mine[key] = self.machine.engine.point(key)

    def accumulate(self, key: StreamKey) -> None:
        """Gradients are summed while the last producer still counts as running: wait for the others too."""
        node = self.node
        for consumer in self._consumers.get(node, ()):
            others = [other for other in self.producers[consumer] if other is not node]
            self._wait(key, self._ends(others, node, key[0]))

    def finish(self) -> None:
        """The caller's current streams wait for the streams that backward ran on."""
        self.leave()
        _choose(self.machine.tls, self.device, self.choice)
        engine, line = self.machine.engine, self.machine.line()
        for key in self.keys:
            current = (key[0], self.choice[key[0]])
            if current != key:
                engine.stream_wait(current, engine.point(key), line, "backward")

    def _chosen(self, node: Any) -> Choice:
        """The streams under which a node was made."""
        number = node._sequence_nr()
        if number < _ACCUMULATE:
            return _switches(self.machine, number).at(number)
        noted = node.metadata.get(self.machine.mark_of_nodes)
        if noted is None:
            first = self._first.get(node)
            noted = self.choice if first is None else _switches(self.machine, first).at(first)
            node.metadata[self.machine.mark_of_nodes] = noted
        return noted  # type: ignore[no-any-return]

    def _ends(self, nodes: list[Any], consumer: Any, device: int) -> list[Point]:
        """Where nodes ended that feed `consumer`; one that launched nothing stands for its own producers."""
        found, seen, stack = [], {consumer}, list(nodes)
        while stack:
            producer = stack.pop()
            if producer is None:
                found.append(self._started(device))
            elif producer not in seen:
                seen.add(producer)
                points = self.points.get(producer)
                if points:
                    found.extend(points.values())
                else:
                    stack.extend(self.producers.get(producer, [None]))
        return found

    def _started(self, device: int) -> Point:
        """The caller's current stream as it was when backward was called."""
        key = (device, self.choice[device])
        if key not in self._start:
            self._start[key] = self.machine.engine.point(key)
        return self._start[key]

    def _wait(self, key: StreamKey, points: list[Point]) -> None:
        engine = self.machine.engine
        for point in points:
            if point.stream != key:
                engine.stream_wait(key, point, self.machine.line(), "backward")


def _choose(tls: Any, device: int, choice: Choice) -> None:
    tls.device = device
    tls.streams[:] = choice
    note_switch(tls)


def _switches(machine: Any, number: int) -> Switches:
    """The list of the thread that made node `number`: the calling one's if it has got so far, else the first
    one's.
    """
    own = _own(machine.tls)
    if number < _next_number() or machine.switches is None:
        return own
    return machine.switches  # type: ignore[no-any-return]


def _own(tls: Any) -> Switches:
    own = tls.__dict__.get("switches")
    if own is None:
        own = tls.__dict__["switches"] = Switches(len(tls.streams))
    return own  # type: ignore[no-any-return]


def note_switch(tls: Any) -> None:
    """Call it whenever a current stream of the calling thread has been changed."""
    _own(tls).note(tuple(tls.streams))


def _roots(outputs: Any) -> list[Any]:
    """The nodes that backward begins with; of a leaf, its AccumulateGrad is not to be had, and None is no
    node.
    """
    nodes = [getattr(output, "grad_fn", None) or getattr(output, "node", None) for output in outputs]
    return [node for node in nodes if node is not None]


def install(machine: Any, patcher: Any) -> None:
    """Backward on the streams of the forward. Asleep until somebody switches streams for the first time."""
    tls = machine.tls
    machine.switches = _own(tls)
    machine.mark_of_nodes = f"simcuda streams {next(_serial)}"
    original = torch.autograd.graph._engine_run_backward

    def run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
        host = machine.engine.host()
        outer, phase = tls.__dict__.get("run"), host.phase
        run = None
        if machine.on_node is not None:
            run = Run(machine, _roots(t_outputs))
            for grad in args[0] if args else ():
                if grad is not None and (state := state_of(grad)) is not None:
                    run.adopt(state)
        tls.run, host.phase = run, "backward"
        try:
            return original(t_outputs, *args, **kwargs)
        finally:
            tls.run, host.phase = outer, phase
            if run is not None:
                run.finish()

    apply: Any = BackwardCFunction.apply

    def noted_apply(self: Any, *args: Any) -> Any:
        """A custom backward may make nodes (checkpoints do) before it runs anything."""
        run = tls.__dict__.get("run")
        if run is not None and run.node is not self:
            run.select(self)
        return apply(self, *args)

    patcher.set(BackwardCFunction, "apply", noted_apply)

    def on_node(node: Any, device: int) -> None:
        run = tls.__dict__.get("run")
        if run is not None:
            run.enter(node, device)

    launch, allocate = machine.launch, machine.allocate

    def noted_launch(
        stream: StreamKey, kind: str, name: str, ns: int, accesses: Any, *args: Any, **kwargs: Any
    ) -> Any:
        run = tls.__dict__.get("run")
        if run is not None and _current_node() is not None:
            if name in ("add", "add_"):
                run.accumulate(stream)
            if run.own[stream[0]] == stream[1]:
                run.record_uses(stream, accesses)
        return launch(stream, kind, name, ns, accesses, *args, **kwargs)

    def noted_allocate(*args: Any, **kwargs: Any) -> Any:
        state = allocate(*args, **kwargs)
        run = tls.__dict__.get("run")
        if run is not None and _current_node() is not None:
            run.adopt(state)
        return state

    def awake() -> None:
        if machine.on_node is None:
            machine.on_node = on_node
            machine.launch = noted_launch
            machine.allocate = noted_allocate

    def on_switch() -> None:
        if machine.on_node is not None or any(tls.streams):
            awake()
            note_switch(tls)

    machine.on_switch = on_switch
    for owner in (torch.autograd, torch.autograd.graph):
        patcher.set(owner, "_engine_run_backward", run_backward)
