"""The terminal that several programs write to: whole lines, each with the name of who says it."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

import click

__all__ = ["Lines", "Terminal"]

#: Bytes of a line that is shown though its end has not come.
_LONGEST: Final = 65536
#: Sequences that do anything but colour: they would move about in other programs' lines.
_MOVES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b[()][0-9A-B]|\x1b[=>78cDEHM]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
)
_RESET: Final = "\x1b[0m"


class Terminal:
    """Writes lines to standard output. ``on_gone`` is called when nobody reads them any more."""

    def __init__(self, colors: Mapping[str, str], *, color: bool | None = None, output: TextIO | None = None) -> None:
        """``colors`` has the colour of each name; ``color`` says whether to use them, None: on a terminal."""
        self._output = sys.stdout if output is None else output
        self._colors = colors
        self._width = max(map(len, colors))
        self._is_terminal = self._output.isatty()
        self.colored = self._is_terminal and not os.environ.get("NO_COLOR") if color is None else color
        self._is_gone = False
        self.on_gone: Callable[[], None] = _ignore

    @property
    def columns(self) -> int:
        """The columns that are left beside the names."""
        return max(20, shutil.get_terminal_size().columns - self._width - 3)

    def say(self, name: str, line: str) -> None:
        """Write one line of a program's."""
        if self.colored and "\x1b[" in line:
            line += _RESET
        self._write(f"{self._styled(f'{name.ljust(self._width)} |', self._colors[name])} {line}".rstrip())

    def forget_line(self) -> None:
        """Write over what the terminal itself has shown on this line: ^C."""
        if self._is_terminal:
            self._write("", end="\r")

    def block(self, rows: Mapping[str, str]) -> None:
        """Write some facts, each with its title, so that they catch the eye."""
        width = max(map(len, rows))
        lines = (f"  {self._styled(title.ljust(width), 'bold')}  {text}" for title, text in rows.items())
        self._write("\n".join(["", *lines, ""]))

    def _styled(self, text: str, style: str) -> str:
        if not self.colored:
            return text
        return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)

    def _write(self, text: str, *, end: str = "\n") -> None:
        if self._is_gone:
            return
        encoding = self._output.encoding or "ascii"
        try:
            self._output.write(text.encode(encoding, "replace").decode(encoding) + end)
            self._output.flush()
        except OSError:
            # `… | head` has ended, or the window is closed. What is still in the buffer must not fail at the exit.
            self._is_gone = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._output.fileno())
            self.on_gone()


class Lines:
    """Makes lines of a program's output, as it comes in pieces."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rest = b""
        self._has_said = self._owes_blank = False

    def feed(self, piece: bytes) -> None:
        """Take a piece; say the lines that are whole."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._say_line(_text(line))
        if len(self._rest) > _LONGEST:
            self.flush()

    def flush(self) -> None:
        """Say what has no end yet, as after a while of silence. What follows it is a line of its own."""
        if self._rest and (text := _text(self._rest)):
            self._say_line(text)
            self._rest = b""

    def _say_line(self, line: str) -> None:
        """Empty lines part what is said; there is one at a time, and none at the beginning or the end."""
        if not line.strip():
            self._owes_blank = self._has_said
            return
        if self._owes_blank:
            self._say("")
        self._say(line)
        self._has_said, self._owes_blank = True, False

    @property
    def has_rest(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)


def _text(line: bytes) -> str:
    """Return what a terminal would show of a line: of a bar that is drawn again and again, the last."""
    return _MOVES.sub("", line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]).expandtabs()


def _ignore() -> None:
    """Stand in for a callback that nobody has set."""
