"""Parameters and matrix products by hand, biases first, ReLU as a clamp."""

import math

import torch
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.b = nn.ParameterList(nn.Parameter(torch.zeros(n)) for n in (hidden_dim, output_dim))
        first = torch.empty(hidden_dim, input_dim).normal_(std=1 / math.sqrt(input_dim))
        self.w = nn.ParameterList([nn.Parameter(first), nn.Parameter(torch.randn(output_dim, hidden_dim))])

    def forward(self, x):
        hidden = (x @ self.w[0].mT + self.b[0]).clamp(min=0)
        return torch.einsum("...h,oh->...o", hidden, self.w[1]) + self.b[1]
