"""nn.DataParallel scatters, replicates and gathers; the loss is taken outside, on the gathered outputs."""

from torch import nn


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    parallel = nn.DataParallel(model, device_ids=devices, output_device=devices[0])
    outputs = parallel(inputs)
    loss = loss_fn(outputs, targets)
    loss.backward()
    return loss, outputs
