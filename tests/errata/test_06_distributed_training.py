"""Errata of question 6, proven on the installed torch."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler


def test_data_parallel_is_a_module_in_one_process():
    """DataParallel wraps a model and joins no process group."""
    wrapped = DataParallel(nn.Linear(2, 1))
    assert isinstance(wrapped, nn.Module)
    wrapped(torch.ones(3, 2))
    assert not dist.is_initialized()


def test_torch_cuda_has_no_parallel():
    """The name in the source does not exist."""
    assert not hasattr(torch.cuda, "Parallel")


def test_ddp_needs_a_process_group():
    """Without init_process_group there is nobody to average with."""
    with pytest.raises(ValueError, match="process group"):
        DistributedDataParallel(nn.Linear(2, 1))


def test_only_a_sampler_divides_the_samples():
    """A plain loader gives every process all samples; DistributedSampler divides them."""
    data = list(range(8))
    assert sorted(torch.cat(list(DataLoader(data, batch_size=4, shuffle=True))).tolist()) == data
    shares = [list(DistributedSampler(data, num_replicas=2, rank=rank)) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == data
