"""Exercise 23: wait for one thing."""

import torch


def fetch(tensor: torch.Tensor, stream: torch.cuda.Stream) -> torch.Tensor:
    """The values of `tensor`, which work queued on `stream` computes, as a complete tensor on the host.

    Waits for what `stream` has been given, and for no other stream.
    """
    # TODO: copy behind the work on `stream`, and wait for that copy alone
    raise NotImplementedError


def wait_for(target: torch.cuda.Stream | torch.cuda.Event | torch.device | None = None) -> None:
    """Make the host wait for a stream, an event or a device; `None` means the current device.

    Raises TypeError for a target of another type.
    """
    # TODO: wait for each kind of target in its own way
    raise NotImplementedError
