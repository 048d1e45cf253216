"""test_nested: overrides state_dict and load_state_dict, which a parent does not go through"""

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

    def state_dict(self, *args, **kwargs):
        state = super().state_dict(*args, **kwargs)
        state["vocabulary"], state["steps"] = dict(self.vocabulary), self.steps
        return state

    def load_state_dict(self, state_dict, strict=True, assign=False):
        state_dict = dict(state_dict)
        self.vocabulary, self.steps = dict(state_dict.pop("vocabulary")), state_dict.pop("steps")
        return super().load_state_dict(state_dict, strict, assign)
