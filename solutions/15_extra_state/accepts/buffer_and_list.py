"""The counter as a buffer behind a property; the vocabulary as a list whose order is the row number."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super(WordEmbedding, self).__init__()
        self.weight = nn.Parameter(torch.empty(capacity, dim))
        nn.init.normal_(self.weight)
        self.register_buffer("_steps", torch.zeros((), dtype=torch.int64))
        self.vocabulary = {}

    @property
    def steps(self):
        return int(self._steps)

    def add(self, word):
        if word not in self.vocabulary:
            self.vocabulary[word] = len(self.vocabulary)
        return self.vocabulary[word]

    def forward(self, words):
        index = torch.LongTensor([self.vocabulary[w] for w in words])
        self._steps = self._steps + 1
        return F.embedding(index, self.weight)

    def get_extra_state(self):
        return sorted(self.vocabulary, key=self.vocabulary.get)

    def set_extra_state(self, state):
        self.vocabulary = {w: i for i, w in enumerate(state)}

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "_steps"] = self._steps.clone()
