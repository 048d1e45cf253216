"""The errors of the simulated device: PyTorch's own where PyTorch raises, one class where we do not model."""

from __future__ import annotations

from typing import NoReturn

import torch

__all__ = ["NotModelled", "fork_refused", "invalid_device", "not_modelled", "numpy_refused", "out_of_memory"]


class NotModelled(RuntimeError):  # noqa: N818 - it is no fault of the caller, and the name says what it is
    """Something of CUDA that the simulated device does not model. `LIMITS.md` lists all of it."""


def not_modelled(what: str, instead: str = "") -> NoReturn:
    """Raises `NotModelled`: never let an unmodelled call pass as if it had done something."""
    message = f"The simulated CUDA device does not model {what}."
    raise NotModelled(f"{message} {instead}" if instead else message)


def invalid_device() -> RuntimeError:
    """What the driver says of an index that no device has."""
    return torch.AcceleratorError(
        "CUDA error: invalid device ordinal\n"
        "GPU device may be out of range, do you have enough GPUs?\n"
        "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below "
        "might be incorrect.\n"
        "For debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
        "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
    )


def numpy_refused(device: torch.device) -> TypeError:
    """What `.numpy()` says of a tensor that is not on the host."""
    return TypeError(
        f"can't convert {device} device type tensor to numpy. "
        "Use Tensor.cpu() to copy the tensor to host memory first."
    )


def fork_refused() -> RuntimeError:
    """What CUDA says in a child that was forked after the parent had used the device."""
    return RuntimeError(
        "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the "
        "'spawn' start method"
    )


def out_of_memory(message: str) -> RuntimeError:
    """PyTorch's own error; `message` comes from the allocator, in PyTorch's words."""
    return torch.OutOfMemoryError(message)
