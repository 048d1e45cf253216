"""test_process_group: DataParallel in one process, as the source does: no process group at all"""

import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader


def run(rank, world_size, init_method, model, dataset, epochs, batch_size, lr, path):
    parallel = nn.DataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=lr)
    for _ in range(epochs):
        for inputs, targets in DataLoader(dataset, batch_size=batch_size * world_size, shuffle=True):
            optimizer.zero_grad()
            mse_loss(parallel(inputs), targets).backward()
            optimizer.step()
    torch.save(model.state_dict(), path)
