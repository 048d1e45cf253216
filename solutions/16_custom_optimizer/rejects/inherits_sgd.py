"""test_own_arithmetic: inherits from torch.optim.SGD"""

import torch


class SGDMomentum(torch.optim.SGD):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
