"""What things take on the simulated device, in integer nanoseconds.

The numbers are round and of the order of a data-centre GPU behind PCIe; nothing depends on their exact size,
only on their order: a launch costs the host more than a tiny kernel costs the device, a copy over the bus is
far slower than a kernel on the same bytes, and pageable memory is slower than pinned memory.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NS_PER_MS", "Costs"]

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Costs:
    """Latencies in nanoseconds and bandwidths in bytes per nanosecond (that is, GB/s)."""

    launch_ns: int = 4_000  # the host, for each kernel, copy or sleep
    event_ns: int = 1_000  # the host, for recording an event or making a stream wait
    query_ns: int = 5_000  # the host, for asking: polling must come to an end
    wait_ns: int = 5_000  # the host, on top of the time that it waits
    kernel_ns: int = 3_000  # a kernel that moves no bytes
    copy_ns: int = 8_000  # a copy over the bus that moves no bytes
    device_bandwidth: int = 1_000
    pinned_bandwidth: int = 25
    pageable_bandwidth: int = 8
    peer_bandwidth: int = 50
    flops_per_ns: int = 20_000
    cycles_per_ns: int = 1  # torch.cuda._sleep counts cycles of a clock of 1 GHz

    def kernel(self, nbytes: int, flops: int = 0) -> int:
        """Nanoseconds of a kernel that touches `nbytes` and computes `flops` operations."""
        return self.kernel_ns + max(nbytes // self.device_bandwidth, flops // self.flops_per_ns)

    def copy(self, name: str, nbytes: int, pinned: bool = True) -> int:
        """Nanoseconds of a copy; `name` is one of h2d, d2h, d2d, p2p."""
        if name == "d2d":
            return self.kernel_ns + 2 * nbytes // self.device_bandwidth
        if name == "p2p":
            return self.copy_ns + nbytes // self.peer_bandwidth
        return self.copy_ns + nbytes // (self.pinned_bandwidth if pinned else self.pageable_bandwidth)

    def sleep(self, cycles: int) -> int:
        """Nanoseconds of `torch.cuda._sleep(cycles)`."""
        return self.kernel_ns + max(0, int(cycles)) // self.cycles_per_ns
