"""test_wrong_type: whatever has a `synchronize` is taken, the module torch.cuda for one."""

import torch


def fetch(tensor, stream):
    with torch.cuda.stream(stream):
        return tensor.cpu()


def wait_for(target=None):
    if hasattr(target, "synchronize"):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        raise TypeError(f"cannot wait for {target!r}")
