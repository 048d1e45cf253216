"""test_critical_path: every edge goes by way of the caller's stream, which collects all waits."""

from graphlib import TopologicalSorter

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    order = list(TopologicalSorter({t: dependencies.get(t, ()) for t in tasks}).static_order())
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = {}
    for i, name in enumerate(order):
        s = streams[i % n_streams]
        s.wait_stream(caller)
        for d in dependencies.get(name, ()):
            results[d].record_stream(s)
        with torch.cuda.stream(s):
            results[name] = tasks[name](*[results[d] for d in dependencies.get(name, ())])
        caller.wait_stream(s)
    for r in results.values():
        r.record_stream(caller)
    return results
