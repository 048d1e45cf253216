"""A thread ends the process while a check waits.

expect: failed exited
message: exit code 0
"""

import os
import threading
import time


def double(x):
    threading.Thread(target=os._exit, args=(0,)).start()
    time.sleep(5)
    return x * 2
