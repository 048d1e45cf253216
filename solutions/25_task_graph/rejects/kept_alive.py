"""test_nothing_kept: a global list keeps all results alive, in place of record_stream."""

from graphlib import TopologicalSorter

import torch

_kept = []


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    needs = {t: list(dependencies.get(t, ())) for t in tasks}
    order = list(TopologicalSorter(needs).static_order())
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    for s in streams:
        s.wait_stream(caller)
    results, done = {}, {}
    for i, name in enumerate(order):
        s = streams[i % n_streams]
        for d in needs[name]:
            s.wait_event(done[d])
        with torch.cuda.stream(s):
            results[name] = tasks[name](*[results[d] for d in needs[name]])
            done[name] = s.record_event()
    for s in streams:
        caller.wait_stream(s)
    _kept.extend(results.values())
    return results
