"""test_number_of_streams: each task gets a stream of its own, whatever n_streams says."""

from graphlib import TopologicalSorter

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    order = list(TopologicalSorter({t: dependencies.get(t, ()) for t in tasks}).static_order())
    caller = torch.cuda.current_stream()
    streams = {name: torch.cuda.Stream() for name in order}
    results, done = {}, {}
    for name in order:
        s = streams[name]
        s.wait_stream(caller)
        needed = dependencies.get(name, ())
        for d in needed:
            s.wait_event(done[d])
            results[d].record_stream(s)
        with torch.cuda.stream(s):
            results[name] = tasks[name](*[results[d] for d in needed])
            done[name] = s.record_event()
    for s in streams.values():
        caller.wait_stream(s)
    for r in results.values():
        r.record_stream(caller)
    return results
