"""test_copies: a defaultdict with a lambda cannot be pickled"""

from collections import defaultdict

import torch
from torch import nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super().__init__()
        self.table = nn.Embedding(capacity, dim)
        self.vocabulary = defaultdict(lambda: len(self.vocabulary))
        self.steps = 0

    def add(self, word):
        return self.vocabulary[word]

    def _known(self, word):
        if word not in self.vocabulary:
            raise KeyError(word)
        return self.vocabulary[word]

    def forward(self, words):
        rows = torch.tensor([self._known(word) for word in words], dtype=torch.long)
        self.steps += 1
        return self.table(rows)

    def get_extra_state(self):
        return {"vocabulary": dict(self.vocabulary), "steps": self.steps}

    def set_extra_state(self, state):
        self.vocabulary.clear()
        self.vocabulary.update(state["vocabulary"])
        self.steps = state["steps"]
