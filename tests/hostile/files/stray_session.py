"""Leaves a process in a session of its own; the answer is right.

expect: passed
"""

import subprocess
import sys

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)

def double(x):
    return x * 2
