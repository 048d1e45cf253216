"""test_values: ReLU on the output cuts off negative logits."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        return torch.relu(self.fc2(torch.relu(self.fc1(x))))
