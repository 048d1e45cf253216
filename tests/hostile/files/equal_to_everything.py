"""Returns an object that equals everything.

expect: failed wrong
message: double\(x\) is a torch.Tensor[\s\S]*Everything
check: test_value
"""

class Everything:
    shape = (3, 2)
    dtype = None
    grad_fn = None

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return lambda *a, **k: self

    def __bool__(self):
        return True


def double(x):
    return Everything()
