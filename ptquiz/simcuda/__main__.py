"""`python -m ptquiz.simcuda SCRIPT`: runs an unmodified script on simulated devices and reports its data
races.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from ptquiz.simcuda import chrome, simulated_cuda, timeline
from ptquiz.simcuda.machine import parse_size

__all__ = ["main"]


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"not a number of devices from 1 to 64: {text!r}")
    return int(text)


def _parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ptquiz.simcuda",
        description="Run a PyTorch script on simulated CUDA devices. A data race makes the exit code 1.",
    )
    parser.add_argument("--devices", type=_count, default=1, metavar="N", help="how many devices (default 1)")
    parser.add_argument(
        "--memory", type=_size, default="16GiB", metavar="SIZE", help="memory of each device (default 16GiB)"
    )
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write a trace that ui.perfetto.dev opens")
    parser.add_argument("--timeline", action="store_true", help="draw the streams on stderr at the end")
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("args", nargs=argparse.REMAINDER, metavar="ARGS")
    options = parser.parse_args(argv)
    if not Path(options.script).is_file():
        parser.error(f"no such script: {options.script}")
    return options


def main(argv: list[str] | None = None) -> int:
    """Runs the script; its exit code, or 1 if it ended well but raced."""
    options = _parsed(sys.argv[1:] if argv is None else argv)
    with simulated_cuda(devices=options.devices, memory=options.memory) as machine:
        code = _run(options.script, options.args)
        machine.settle()
        _report(machine, options)
        return code or int(bool(machine.races))


def _run(script: str, args: list[str]) -> int:
    """The script as `__main__`, with its own sys.argv; its exit code. Its threads are waited for."""
    saved_argv, saved_path = sys.argv[:], sys.path[:]
    sys.argv[:] = [script, *args]
    sys.path[0] = str(Path(script).resolve().parent)
    try:
        runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as leaving:
        code = _code(leaving.code)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = 130
    except BaseException as error:
        _complain(error)
        code = 1
    finally:
        _join_threads()
        sys.argv[:], sys.path[:] = saved_argv, saved_path
    return code


def _code(value: Any) -> int:
    """What `sys.exit(value)` means to a shell."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print(value, file=sys.stderr)
    return 1


def _complain(error: BaseException) -> None:
    """The traceback as Python would show it: without the frames that started the script."""
    frames = error.__traceback__
    ours = (__file__, runpy.__file__, "<frozen runpy>")
    while frames is not None and frames.tb_frame.f_code.co_filename in ours:
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames)


def _join_threads() -> None:
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()


def _report(machine: Any, options: argparse.Namespace) -> None:
    sys.stdout.flush()
    if options.timeline:
        print(timeline.render(machine.trace, machine.waits, machine.races), file=sys.stderr)
    for race in machine.races:
        print(race.brief(), file=sys.stderr)
    if options.trace is not None:
        try:
            chrome.write(options.trace, machine.trace, machine.waits, machine.races)
        except OSError as error:
            print(f"cannot write the trace: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
