"""A simulated machine for a test: two devices, and no race left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ptquiz.simcuda import Machine, simulated_cuda


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Two devices of 1 GiB. A race at the end fails the test."""
    with simulated_cuda(devices=2, memory="1GiB") as opened:
        yield opened
        opened.settle()
        assert not opened.races, "\n".join(map(str, opened.races))
