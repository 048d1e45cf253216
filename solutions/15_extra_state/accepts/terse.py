import torch
from torch import nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super().__init__()
        self.w, self.vocabulary, self.steps = nn.Parameter(torch.randn(capacity, dim)), {}, 0

    def add(self, word):
        return self.vocabulary.setdefault(word, len(self.vocabulary))

    def forward(self, words):
        out = self.w[[self.vocabulary[w] for w in words]] if words else self.w[:0]
        self.steps += 1
        return out

    def get_extra_state(self):
        return {**self.vocabulary}, self.steps

    def set_extra_state(self, state):
        self.vocabulary, self.steps = {**state[0]}, state[1]
