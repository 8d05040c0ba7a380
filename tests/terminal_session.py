"""A program on a terminal of its own, as a person sees it and types to it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Seconds that anything may take on a slow, busy machine.
PATIENCE = 60.0

CTRL_C = "\x03"


class TerminalSession:
    """A program that leads the session of an 80 columns wide terminal."""

    def __init__(self, command: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> None:
        self._ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env={name: value for name, value in environment.items() if name != "COLUMNS"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one system call
        )
        os.close(its)
        self._shown = bytearray()
        self._is_open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def raw(self) -> str:
        """Everything that was shown, colours and all."""
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    @property
    def text(self) -> str:
        """Everything that was shown."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.raw)

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until it has shown this so many times."""
        deadline = time.monotonic() + PATIENCE
        while self.text.count(text) < times and self.process.poll() is None:
            assert time.monotonic() < deadline, f"Waited {PATIENCE:g} s in vain for {text!r} in:\n{self.text}"
            time.sleep(0.02)
        assert self.text.count(text) >= times, self.text

    def end(self) -> int:
        """Wait for the end that has been asked for; return the exit status."""
        status = self.process.wait(PATIENCE)
        if self._is_open:
            self._reader.join(PATIENCE)  # until all has been read
        return status

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self.close_window()

    def close_window(self) -> None:
        """Take the terminal away. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._reader.join(PATIENCE)
            os.close(self._ours)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # nobody has the other end any more
            while self._is_open:
                if not select.select([self._ours], [], [], 0.1)[0]:
                    continue
                if not (piece := os.read(self._ours, 65536)):
                    return
                self._shown += piece
