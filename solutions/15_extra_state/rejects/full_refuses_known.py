"""test_lookup: when every row is taken even a known word is refused"""

import torch
from torch import nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super().__init__()
        self.table = nn.Embedding(capacity, dim)
        self.vocabulary = {}
        self.steps = 0

    def add(self, word):
        if len(self.vocabulary) >= self.table.num_embeddings:
            raise RuntimeError("the table is full")
        return self.vocabulary.setdefault(word, len(self.vocabulary))

    def forward(self, words):
        rows = torch.tensor([self.vocabulary[word] for word in words], dtype=torch.long)
        self.steps += 1
        return self.table(rows)

    def get_extra_state(self):
        return {"vocabulary": dict(self.vocabulary), "steps": self.steps}

    def set_extra_state(self, state):
        self.vocabulary = dict(state["vocabulary"])
        self.steps = state["steps"]
