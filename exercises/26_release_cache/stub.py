import gc
from collections.abc import Sequence
from typing import Any

import torch


def release(holder: dict[str, Any], names: Sequence[str], device: torch.device | str | int) -> int:
    """Drop these entries of holder, give memory back; the bytes by which device's reserved memory fell.

    KeyError for an unknown name, before anything is dropped.
    """
    # TODO: look all names up, drop, then give back; measure what has really gone
    raise NotImplementedError
