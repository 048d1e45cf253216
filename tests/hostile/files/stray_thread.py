"""Leaves a thread that never ends; the answer is right.

expect: passed
"""

import threading
import time

threading.Thread(target=time.sleep, args=(600,)).start()

def double(x):
    return x * 2
