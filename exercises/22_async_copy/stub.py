"""Exercise 22: pinned memory and both directions."""

import torch


def upload(
    host: torch.Tensor, device: torch.device, stream: torch.cuda.Stream
) -> tuple[torch.Tensor, torch.cuda.Event]:
    """Copy `host` to `device` on `stream`, from pinned memory; return the new tensor and an event.

    The host does not wait. The event completes when the copy has ended: then streams may use the tensor, and
    the caller may change `host`. The tensor is safe to drop at any moment.
    """
    # TODO: a pinned, contiguous source; the copy on `stream`; the event behind it; the tensor's memory
    raise NotImplementedError


def download(tensor: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Copy `tensor` to the host, into `out` where it is given; the result is complete when this returns.

    Raises ValueError, before anything is written, if `out` has another shape or dtype.
    """
    # TODO: check `out`, copy, and wait until the copy has ended
    raise NotImplementedError
