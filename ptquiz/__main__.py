"""`python -m ptquiz`."""

import sys

from ptquiz.entry import main

if __name__ == "__main__":
    sys.exit(main())
