"""test_shapes: pools the time steps."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        y = self.fc2(torch.relu(self.fc1(x)))
        return y.mean(1) if y.dim() == 3 else y
