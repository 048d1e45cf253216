"""sys.exit while it is imported.

expect: failed exited
message: SystemExit: 0[\s\S]*sys_exit_at_import.py:\d+\n    sys.exit\(0\)
"""

import sys

sys.exit(0)

def double(x):
    return x * 2
