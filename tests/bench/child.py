"""A measured thing in a process of its own: ``run`` starts it, ``python -P -m tests.bench.child`` is it.

The function gets its arguments as JSON and gives back what JSON can hold, on the last line of its output.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast


def begin(function: Callable[..., Any], **arguments: Any) -> "subprocess.Popen[str]":
    """Start ``function`` with JSON ``arguments`` in a process of its own; ``result`` waits for it."""
    name = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-P", "-m", "tests.bench.child", name, json.dumps(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(process: "subprocess.Popen[str]") -> Any:
    """What the function gave; CalledProcessError where it failed (its traceback is on standard error)."""
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return json.loads(output.splitlines()[-1])


def run(function: Callable[..., Any], **arguments: Any) -> Any:
    """``function``'s result, from a process of its own."""
    return result(begin(function, **arguments))


def cpu_s(command: Sequence[str | Path], folder: Path) -> float:
    """User and system time of a command that must succeed; its output is thrown away."""
    process = subprocess.Popen([str(part) for part in command], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime


def end_in_order() -> None:
    """SIGTERM ends this process as an error would, so that what is mounted is unmounted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def main(arguments: Sequence[str]) -> None:
    """The process."""
    end_in_order()
    module, _, name = arguments[0].partition(":")
    function = cast(Callable[..., Any], getattr(importlib.import_module(module), name))
    print(json.dumps(function(**json.loads(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
