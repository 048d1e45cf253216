"""Exercise 25, reference answer."""

from collections.abc import Callable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import torch


def run_graph(
    tasks: Mapping[str, Callable[..., torch.Tensor]],
    dependencies: Mapping[str, Sequence[str]],
    n_streams: int,
) -> dict[str, torch.Tensor]:
    """Run each task once on at most `n_streams` streams, after its dependencies and with their results."""
    order = _sorted(tasks, dependencies)  # raises before anything has run
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(min(n_streams, len(order)))]
    for stream in streams:
        stream.wait_stream(caller)

    results: dict[str, torch.Tensor] = {}
    done: dict[str, torch.cuda.Event] = {}
    for i, name in enumerate(order):
        # With as many streams as tasks each has its own; with fewer, a stream's tasks come in topological
        # order, so that no task stands in front of one that it needs.
        stream = streams[i % len(streams)]
        needed = dependencies.get(name, ())
        for other in needed:
            stream.wait_event(done[other])  # this task and no other: not wait_stream
            results[other].record_stream(stream)
        with torch.cuda.stream(stream):
            results[name] = tasks[name](*[results[other] for other in needed])
            done[name] = stream.record_event()

    for stream in streams:
        caller.wait_stream(stream)
    for result in results.values():
        result.record_stream(caller)
    return results


def _sorted(tasks: Mapping[str, object], dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """The names in an order in which every task comes after its dependencies. Raises ValueError."""
    named = set(dependencies).union(*dependencies.values()) if dependencies else set()
    if unknown := named - set(tasks):
        raise ValueError(f"no such task: {', '.join(sorted(unknown))}")
    try:
        return list(TopologicalSorter({name: dependencies.get(name, ()) for name in tasks}).static_order())
    except CycleError as error:  # a ValueError already; this one says it in the caller's words
        raise ValueError(
            f"the tasks depend on each other in a circle: {' -> '.join(error.args[1])}"
        ) from None
