"""Events in place of wait_stream, set_stream in place of the context manager, pytree for the nesting."""

import torch
from torch.utils import _pytree as pytree


def run_on_stream(fn, stream, *args):
    before = torch.cuda.current_stream()
    target = before if stream is None else stream
    start = torch.cuda.Event()
    start.record(before)
    target.wait_event(start)
    torch.cuda.set_stream(target)
    try:
        out = fn(*args)
        for leaf in pytree.tree_leaves(out):
            if torch.is_tensor(leaf) and leaf.device.type == "cuda":
                leaf.record_stream(before)
        return out
    finally:
        done = target.record_event()
        torch.cuda.set_stream(before)
        done.wait()
