"""A module list, an output layer that starts at zero rows flattened and restored."""

import torch.nn.functional as F
from torch import nn


class SimpleMLP(nn.Module):
    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int):
        super(SimpleMLP, self).__init__()
        head = nn.Linear(hidden_dim, output_dim)
        for p in head.parameters():
            nn.init.zeros_(p)
        self.layers = nn.ModuleList([head, nn.Linear(input_dim, hidden_dim)])
        nn.init.kaiming_normal_(self.layers[1].weight)

    def forward(self, inputs):
        rows = inputs.reshape(-1, inputs.shape[-1])
        head, first = self.layers
        out = head(F.relu(first(rows)))
        return out.unflatten(0, inputs.shape[:-1])
