"""test_empty: no tasks, no streams, and a division by their number."""

from graphlib import TopologicalSorter

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    order = list(TopologicalSorter({t: dependencies.get(t, ()) for t in tasks}).static_order())
    caller = torch.cuda.current_stream()
    n = min(n_streams, len(tasks))
    share = -(-len(tasks) // n)
    streams = [torch.cuda.Stream() for _ in range(n)]
    for s in streams:
        s.wait_stream(caller)
    results, done = {}, {}
    for i, name in enumerate(order):
        s = streams[i % n] if share else None
        needed = dependencies.get(name, ())
        for d in needed:
            s.wait_event(done[d])
            results[d].record_stream(s)
        with torch.cuda.stream(s):
            results[name] = tasks[name](*[results[d] for d in needed])
            done[name] = s.record_event()
    for s in streams:
        caller.wait_stream(s)
    for r in results.values():
        r.record_stream(caller)
    return results
