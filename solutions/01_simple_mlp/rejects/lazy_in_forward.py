"""test_parameters: the layers are created at the first forward."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.LazyLinear(hidden_dim)
        self.fc2 = nn.LazyLinear(output_dim)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
