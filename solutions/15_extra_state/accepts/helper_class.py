"""A vocabulary class of its own, flattened to plain types at the border."""

import torch
from torch import nn


class Vocabulary(dict):
    def row(self, word):
        if word not in self:
            self[word] = len(self)
        return self[word]

    def export(self):
        return tuple(self.keys()), tuple(self.values())

    @classmethod
    def restore(cls, words, rows):
        return cls(zip(words, rows))


class WordEmbedding(nn.Embedding):
    def __init__(self, capacity, dim):
        super().__init__(num_embeddings=capacity, embedding_dim=dim)
        self.vocabulary = Vocabulary()
        self.steps = 0

    def add(self, word):
        return self.vocabulary.row(word)

    def forward(self, words):
        index = torch.tensor(list(map(self.vocabulary.__getitem__, words)), dtype=torch.int32)
        result = super().forward(index)
        self.steps = self.steps + 1
        return result

    def get_extra_state(self):
        words, rows = self.vocabulary.export()
        return {"version": 1, "words": words, "rows": rows, "steps": self.steps}

    def set_extra_state(self, state):
        self.vocabulary = Vocabulary.restore(state["words"], state["rows"])
        self.steps = state["steps"]
