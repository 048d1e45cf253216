"""Copies and pickles torch's objects, which leaves traces on torch's classes; the answer is right.

expect: passed
"""

import copy
import pickle

import torch


def double(x):
    layer = torch.nn.Linear(2, 2)
    copy.deepcopy(layer)
    copy.copy(layer.weight)
    pickle.loads(pickle.dumps(layer))
    return x * 2
