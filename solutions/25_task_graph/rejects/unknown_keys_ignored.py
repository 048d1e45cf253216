"""test_unknown_names: dependencies of a task that does not exist are passed over."""

from graphlib import TopologicalSorter

import torch


def run_graph(tasks, dependencies, n_streams):
    for name in tasks:
        for d in dependencies.get(name, ()):
            if d not in tasks:
                raise ValueError(f"unknown {d}")
    order = list(TopologicalSorter({t: dependencies.get(t, ()) for t in tasks}).static_order())
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    for s in streams:
        s.wait_stream(caller)
    results, done = {}, {}
    for i, name in enumerate(order):
        s = streams[i % n_streams]
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
