"""Uses what inspects frames for good reasons; the answer is right.

expect: passed
"""

import collections
import enum
import inspect
import logging
import traceback
import warnings

Point = collections.namedtuple("Point", "x y")
Colour = enum.Enum("Colour", "RED GREEN")
logging.basicConfig()


def double(x):
    logging.getLogger("mine").warning("called")
    warnings.warn("again", stacklevel=2)
    inspect.signature(double)
    try:
        raise ValueError
    except ValueError:
        traceback.print_exc()
    return x * 2
