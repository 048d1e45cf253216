from typing import Any

import torch
from torch import Tensor, nn


class WordEmbedding(nn.Module):
    """Looks words up in a table (capacity, dim); vocabulary and steps travel in the state dict.

    vocabulary: dict[str, int], word -> row.  steps: int, how often forward has run.
    """

    def __init__(self, capacity: int, dim: int) -> None:
        # TODO: the table, an empty vocabulary, steps = 0
        raise NotImplementedError

    def add(self, word: str) -> int:
        """The row of word; a new word gets the next free row."""
        # TODO
        raise NotImplementedError

    def forward(self, words: list[str]) -> Tensor:
        """The rows of the words, (len(words), dim); KeyError for an unknown word; counts a step."""
        # TODO
        raise NotImplementedError

    def get_extra_state(self) -> Any:
        """What the state dict holds of this module besides its tensors (another mechanism is welcome)."""
        # TODO
        raise NotImplementedError

    def set_extra_state(self, state: Any) -> None:
        """Take over what get_extra_state returned."""
        # TODO
        raise NotImplementedError
