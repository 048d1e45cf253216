"""The errata of exercise 1, proven on the installed torch."""

import pytest
from torch import nn


def test_the_old_spelling_breaks_when_the_class_is_renamed() -> None:
    """`super(Name, self)` looks the name up at run time; `super()` does not."""
    old = {"nn": nn}
    exec("class Net(nn.Module):\n    def __init__(self):\n        super(Net, self).__init__()\n", old)
    new = {"nn": nn}
    exec("class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n", new)
    renamed_old, renamed_new = old.pop("Net"), new.pop("Net")
    assert isinstance(renamed_new(), nn.Module)
    with pytest.raises(NameError):
        renamed_old()
