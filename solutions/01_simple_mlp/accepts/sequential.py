"""A subclass of `nn.Sequential`: there is no forward to write."""

from torch import nn


class SimpleMLP(nn.Sequential):
    def __init__(self, input_dim, hidden_dim, output_dim):
        relu = nn.ReLU(inplace=True)
        super().__init__(nn.Linear(input_dim, hidden_dim), relu, nn.Linear(hidden_dim, output_dim))
