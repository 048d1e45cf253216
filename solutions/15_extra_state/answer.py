"""A module whose vocabulary and step counter travel in its state dict."""

from typing import Any

import torch
from torch import Tensor, nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(capacity, dim)
        self.vocabulary: dict[str, int] = {}
        self.steps = 0

    def add(self, word: str) -> int:
        return self.vocabulary.setdefault(word, len(self.vocabulary))

    def forward(self, words: list[str]) -> Tensor:
        rows = torch.tensor(
            [self.vocabulary[word] for word in words], dtype=torch.long, device=self.table.weight.device
        )
        self.steps += 1
        return self.table(rows)

    # state_dict() stores whatever this returns under "<prefix>_extra_state", for nested modules too.
    # A copy, because a state dict should not change when the module goes on.
    def get_extra_state(self) -> Any:
        return {"vocabulary": dict(self.vocabulary), "steps": self.steps}

    # load_state_dict() hands it back. Again a copy: another module may load the same state dict.
    def set_extra_state(self, state: Any) -> None:
        self.vocabulary = dict(state["vocabulary"])
        self.steps = int(state["steps"])
