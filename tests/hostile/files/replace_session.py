"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: Plugin\._judged
"""

from ptquiz.worker import session

session.Plugin._judged = lambda self, error: ('passed', '', '')


def double(x):
    return x * 3
