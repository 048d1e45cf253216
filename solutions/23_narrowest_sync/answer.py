"""Exercise 23, reference answer."""

import torch


def fetch(tensor: torch.Tensor, stream: torch.cuda.Stream) -> torch.Tensor:
    """The values of `tensor`, which work queued on `stream` computes, as a complete tensor on the host."""
    with torch.cuda.stream(stream):
        # A blocking copy runs on the current stream and waits for that stream: it has to be this one.
        return tensor.cpu()


def wait_for(target: torch.cuda.Stream | torch.cuda.Event | torch.device | None = None) -> None:
    """Make the host wait for a stream, an event or a device; `None` means the current device."""
    if isinstance(target, torch.cuda.Stream | torch.cuda.Event):
        target.synchronize()
    elif target is None or isinstance(target, torch.device):
        torch.cuda.synchronize(target)  # its argument is a device; a stream would be ignored without an error
    else:
        raise TypeError(f"a stream, an event, a device or None is expected, not {type(target).__name__}")
