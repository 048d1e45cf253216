"""Does without get_extra_state: writes and reads entries of its own in the state dict."""

import torch
from torch import nn


class WordEmbedding(nn.Module):
    def __init__(self, capacity, dim):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(capacity, dim))
        self.vocabulary, self.steps = {}, 0

    def add(self, word):
        try:
            return self.vocabulary[word]
        except KeyError:
            self.vocabulary[word] = row = len(self.vocabulary)
            return row

    def forward(self, words):
        picked = [self.rows[self.vocabulary[word]] for word in words]
        self.steps += 1
        return torch.stack(picked) if picked else self.rows[:0]

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "words"] = list(self.vocabulary.items())
        destination[prefix + "steps"] = self.steps

    def _load_from_state_dict(self, state_dict, prefix, *others):
        self.vocabulary = dict(state_dict.pop(prefix + "words"))
        self.steps = state_dict.pop(prefix + "steps")
        super()._load_from_state_dict(state_dict, prefix, *others)
