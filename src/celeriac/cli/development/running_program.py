"""A program that runs: its process, its output, its end."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
import time
from typing import Any

from celeriac.cli.development.program import Program
from celeriac.cli.development.terminal import Lines, Terminal
from celeriac.supervision.ending import Ending

__all__ = ["RunningProgram"]

#: Seconds of silence after which an unfinished line is shown.
_SILENCE = 0.3
#: Seconds that somebody else may still write to the output of a process that has ended.
_AFTERWARDS = 0.5


class RunningProgram:
    """A process in a session of its own, so that a Ctrl-C at the terminal reaches only who has started it.

    Where colours are shown it writes to a terminal, so that it shows its own.
    """

    def __init__(self, program: Program, process: asyncio.subprocess.Process, output: "_Output") -> None:
        self.program = program
        self.pid = process.pid
        self.began = time.monotonic()
        self._process = process
        self._output = output
        #: Done when the process has ended and everything it has said is shown.
        self.ended = asyncio.create_task(self._wait(), name=f"end of {program.name}")

    @classmethod
    async def start(cls, program: Program, terminal: Terminal) -> "RunningProgram":
        """Start it. Raises ``OSError`` when that is impossible."""
        ours, its = _open_terminal(terminal.columns) if terminal.colored else os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=its,
                stderr=its,
                start_new_session=True,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(its)
        output = _Output(Lines(lambda line: terminal.say(program.name, line)))
        await asyncio.get_running_loop().connect_read_pipe(lambda: output, os.fdopen(ours, "rb", buffering=0))
        return cls(program, process, output)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def ending(self) -> Ending:
        """How it ended, once it has."""
        assert self._process.returncode is not None
        return Ending.from_return_code(self._process.returncode)

    def stop(self) -> None:
        """Ask it to end."""
        self._send(self.program.stop_signal, to_group=self.program.stops_as_group)

    def stop_hard(self) -> None:
        """Have it end at once, as far as it can be asked to."""
        number = self.program.hard_signal
        self._send(number, to_group=number is signal.SIGKILL)

    def kill(self) -> None:
        """Kill it and what is in its process group."""
        self._send(signal.SIGKILL, to_group=True)

    def _send(self, number: signal.Signals, *, to_group: bool) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if to_group else os.kill)(self.pid, number)

    async def _wait(self) -> None:
        await self._process.wait()
        # What it has left behind in its group would be an orphan.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await asyncio.wait([self._output.ended], timeout=_AFTERWARDS)
        self._output.close()


class _Output(asyncio.Protocol):
    """Takes what a process writes."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._lines.feed(data)
        self._timer = self._loop.call_later(_SILENCE, self._lines.flush) if self._lines.has_rest else None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._lines.flush()
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        """Read no more. Safe to call twice."""
        self._transport.close()


def _open_terminal(columns: int) -> tuple[int, int]:
    """Return both ends of a terminal of this width that shows text as it is."""
    ours, its = pty.openpty()
    attributes = termios.tcgetattr(its)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(its, termios.TCSANOW, attributes)
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return ours, its
