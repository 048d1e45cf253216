"""Reference answer to exercise 1."""

import torch
from torch import Tensor, nn


class SimpleMLP(nn.Module):
    """Linear, ReLU, linear: returns logits."""

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int) -> None:
        # Before any layer is assigned: this creates the registries that the assignments below write to.
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        # Linear works on the last dimension, so (B, in) and (B, T, in) need no distinction.
        # No softmax: cross_entropy wants logits, it applies log_softmax itself.
        return self.fc2(torch.relu(self.fc1(x)))
