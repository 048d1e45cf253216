"""test_parameters: layers are made anew in every forward."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.dims = input_dim, hidden_dim, output_dim

    def forward(self, x):
        i, h, o = self.dims
        return nn.Linear(h, o)(torch.relu(nn.Linear(i, h)(x)))
