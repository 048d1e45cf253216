"""Changes whatever a process has; the answer is right.

expect: passed
"""

import gc
import os
import random
import signal
import sys
import threading
import time
import warnings

import torch

torch.set_grad_enabled(False)
torch.set_default_dtype(torch.float64)


def double(x):
    torch.manual_seed(random.randrange(1000))
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(3)
    torch.use_deterministic_algorithms(True)
    y = x * 2
    os.environ["PROBE"] = "1"
    os.environ.pop("PATH", None)
    os.makedirs("deep")
    os.chdir("deep")
    warnings.simplefilter("error")
    sys.setrecursionlimit(5000)
    sys.path.clear()
    sys.stdout = sys.stderr = None
    sys.settrace(lambda *a: None)
    threading.excepthook = sys.excepthook = print
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.disable()
    os.umask(0o777)
    time.tzset()
    return y
