"""test_values: an in-place ReLU hits the caller's input."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        with torch.no_grad():
            x.relu_()
        return self.fc2(torch.relu(self.fc1(x)))
