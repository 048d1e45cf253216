"""test_goes_on: a separate counter of free rows is not restored"""

import torch
from torch import nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super().__init__()
        self.table = nn.Embedding(capacity, dim)
        self.vocabulary = {}
        self.steps = 0
        self.next_row = 0

    def add(self, word):
        if word not in self.vocabulary:
            self.vocabulary[word] = self.next_row
            self.next_row += 1
        return self.vocabulary[word]

    def forward(self, words):
        rows = torch.tensor([self.vocabulary[word] for word in words], dtype=torch.long)
        self.steps += 1
        return self.table(rows)

    def get_extra_state(self):
        return {"vocabulary": dict(self.vocabulary), "steps": self.steps}

    def set_extra_state(self, state):
        self.vocabulary = dict(state["vocabulary"])
        self.steps = state["steps"]
