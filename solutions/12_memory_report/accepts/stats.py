"""Everything from `memory_stats`, which has it in one reading, and the runtime for the rest."""

import torch
from torch.cuda._utils import _get_device_index


def memory_report(device=None):
    index = _get_device_index(device, optional=True)
    stats = torch.cuda.memory_stats(index)
    keys = {"allocated": "allocated_bytes.all.current", "reserved": "reserved_bytes.all.current"}
    report = {key: stats[name] for key, name in keys.items()}
    report["cached"] = report["reserved"] - report["allocated"]
    report["free"], report["total"] = torch.cuda.cudart().cudaMemGetInfo(index)
    return report
