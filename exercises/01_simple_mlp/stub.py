"""Exercise 1: a multilayer perceptron with one hidden layer."""

import torch
from torch import Tensor, nn


class SimpleMLP(nn.Module):
    """Linear, ReLU, linear.

    Parameters, all created here: weights `(hidden_dim, input_dim)` and `(output_dim, hidden_dim)`,
    biases `(hidden_dim,)` and `(output_dim,)`.
    """

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int) -> None:
        super().__init__()
        # TODO: create both layers so that the module knows their parameters.
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, input_dim)` to logits `(B, output_dim)`; a time axis between them stays."""
        # TODO: linear, ReLU, linear; nothing after it.
        raise NotImplementedError
