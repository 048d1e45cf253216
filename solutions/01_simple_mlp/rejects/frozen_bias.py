"""test_parameters: a bias that is not trainable."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)
        self.fc2.bias.requires_grad_(False)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
