"""test_wrong_type: whatever is no stream and no event is handed to torch.cuda.synchronize."""

import torch


def fetch(tensor, stream):
    with torch.cuda.stream(stream):
        return tensor.cpu()


def wait_for(target=None):
    if hasattr(target, "synchronize"):
        target.synchronize()
    elif isinstance(target, torch.device):
        torch.cuda.synchronize(target)
    else:
        torch.cuda.synchronize()
