"""test_modes: dropout so rare that a single call does not show it."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)
        self.drop = nn.Dropout(0.01)

    def forward(self, x):
        return self.fc2(self.drop(torch.relu(self.fc1(x))))
