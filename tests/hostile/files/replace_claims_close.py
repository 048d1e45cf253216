"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: claims\.close
"""

from ptquiz.worker import claims

claims.close = lambda *a, **k: None


def double(x):
    return x * 3
