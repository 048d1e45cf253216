"""`python -m ptquiz.worker`: the process that grades. Started by `ptquiz.grader`, of no use by itself."""

from __future__ import annotations

import socket
import sys


def main(arguments: list[str]) -> None:
    """Arguments: the control socket's descriptor, `warm` or `once`, what to import ahead (by commas)."""
    from ptquiz.worker.server import serve

    descriptor, mode, needs = arguments
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    serve(control, tuple(filter(None, needs.split(","))), mode == "warm")


if __name__ == "__main__":
    main(sys.argv[1:])
