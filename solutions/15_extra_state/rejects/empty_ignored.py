"""test_replaces: takes an empty vocabulary for none"""

import torch
from torch import nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super().__init__()
        self.table = nn.Embedding(capacity, dim)
        self.vocabulary = {}
        self.steps = 0

    def add(self, word):
        if word not in self.vocabulary:
            self.vocabulary[word] = len(self.vocabulary)
        return self.vocabulary[word]

    def forward(self, words):
        rows = torch.tensor([self.vocabulary[word] for word in words], dtype=torch.long)
        self.steps += 1
        return self.table(rows)

    def get_extra_state(self):
        return {"vocabulary": dict(self.vocabulary), "steps": self.steps}

    def set_extra_state(self, state):
        if state["vocabulary"]:
            self.vocabulary = dict(state["vocabulary"])
        self.steps = state["steps"]
