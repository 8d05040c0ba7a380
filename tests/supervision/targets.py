"""What the children of these tests run. Each target is given its argument and copies of the test's descriptors."""

import ctypes
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

FOREVER = 60


def echo(argument: bytes, fds: list[int]) -> None:
    """Write the argument into the only descriptor."""
    with os.fdopen(fds[0], "wb") as output:
        output.write(argument)


def number_each(argument: bytes, fds: list[int]) -> None:
    """Write into each descriptor which one it is."""
    for position, descriptor in enumerate(fds):
        os.write(descriptor, b"%d" % position)


def do_nothing(argument: bytes, fds: list[int]) -> None:
    pass


def print_and_return(argument: bytes, fds: list[int]) -> None:
    sys.stdout.write(argument.decode() + "\n")


def exit_with_number(argument: bytes, fds: list[int]) -> None:
    sys.exit(int(argument))


def exit_when_told(argument: bytes, fds: list[int]) -> None:
    os.read(fds[0], 100)
    sys.exit(int(argument))


def exit_with_words(argument: bytes, fds: list[int]) -> None:
    sys.exit(argument.decode())


def exit_at_once(argument: bytes, fds: list[int]) -> None:
    os._exit(int(argument))


def fail(argument: bytes, fds: list[int]) -> None:
    raise LookupError(argument.decode())


def interrupt_oneself(argument: bytes, fds: list[int]) -> None:
    signal.raise_signal(signal.SIGINT)


def crash(argument: bytes, fds: list[int]) -> None:
    os.kill(os.getpid(), int(argument))
    time.sleep(FOREVER)


def sleep(argument: bytes, fds: list[int]) -> None:
    tell(fds, b"sleeping")
    time.sleep(FOREVER)


def spin(argument: bytes, fds: list[int]) -> None:
    tell(fds, b"spinning")
    while True:
        pass


def hold_the_interpreter_lock(argument: bytes, fds: list[int]) -> None:
    tell(fds, b"holding")
    ctypes.PyDLL(None).sleep(FOREVER)


def match_for_ages(argument: bytes, fds: list[int]) -> None:
    tell(fds, b"matching")
    re.match(r"(a+)+$", "a" * 60 + "b")


def ignore_signals(argument: bytes, fds: list[int]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGIO):
        signal.signal(number, signal.SIG_IGN)
    sleep(argument, fds)


def stop_oneself(argument: bytes, fds: list[int]) -> None:
    tell(fds, b"stopping")
    os.kill(os.getpid(), signal.SIGSTOP)


def fork_and_sleep(argument: bytes, fds: list[int]) -> None:
    """Leave a forked process that holds every descriptor, and sleep."""
    grandchild = os.fork()
    if grandchild == 0:
        time.sleep(FOREVER)
        os._exit(0)
    tell(fds, json.dumps(grandchild).encode())
    time.sleep(FOREVER)


def fork_and_leave(argument: bytes, fds: list[int]) -> None:
    """Leave a forked process that holds every descriptor."""
    if os.fork() == 0:
        tell(fds, json.dumps(os.getpid()).encode())
        time.sleep(float(argument))
        os._exit(0)


def report_signals(argument: bytes, fds: list[int]) -> None:
    """Write each OS signal's name as it comes."""

    def write_its_name(number: int, _: object) -> None:
        os.write(fds[0], signal.Signals(number).name.encode())

    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, write_its_name)
    sleep(argument, fds)


def describe_oneself(argument: bytes, fds: list[int]) -> None:
    """Write what a child finds on arrival."""
    descriptors = open_descriptors()
    handlers = {number.name: str(signal.getsignal(number)) for number in signal.Signals}
    description = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "session": os.getsid(0),
        "group": os.getpgrp(),
        "stdin": sys.stdin.read(),
        "descriptors": descriptors,
        "given": len(fds),
        "inheritable": [os.get_inheritable(descriptor) for descriptor in fds],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "handlers": handlers,
        "wakeup": signal.set_wakeup_fd(-1),
        "threads": threading.active_count(),
        "path": sys.path,
        "arguments": sys.argv,
        "python_path": os.environ.get("PYTHONPATH"),
        "random": random.random(),
        "warnings": sys.warnoptions,
    }
    os.write(fds[0], json.dumps(description).encode())


def run_a_program(argument: bytes, fds: list[int]) -> None:
    """Write how many descriptors a program that a task runs inherits."""
    code = "import os; print(len(os.listdir('/proc/self/fd')) - 1)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    os.write(fds[0], output)


def fork_with_warnings_as_errors(argument: bytes, fds: list[int]) -> None:
    warnings.simplefilter("error")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def open_descriptors() -> dict[str, str]:
    """Return this process's open descriptors with their kind."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # The one that lists.
            found[path.name] = stat.filemode(os.fstat(int(path.name)).st_mode)[0]
    return found


def tell(fds: list[int], words: bytes) -> None:
    if fds:
        os.write(fds[0], words)
