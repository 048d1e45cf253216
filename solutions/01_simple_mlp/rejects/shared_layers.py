"""test_instances: layers are kept on the class and reused."""

import torch
from torch import nn


class SimpleMLP(nn.Module):
    layers = {}

    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        key = input_dim, hidden_dim, output_dim
        if key not in self.layers:
            self.layers[key] = nn.Linear(input_dim, hidden_dim), nn.Linear(hidden_dim, output_dim)
        self.fc1, self.fc2 = self.layers[key]

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
