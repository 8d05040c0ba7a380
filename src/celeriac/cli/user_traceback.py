"""The user's part of a traceback: where in their own code an error arose, in a few lines.

Works on the text of a traceback, because a worker's processes report theirs as text.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["last_line", "user_part"]

_PACKAGE = str(Path(__file__).parents[1])
_PLACE = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
#: A line of ``~~~^^^^`` below a source line.
_MARKS = re.compile(r"^[\s~^]+$")


class _Frame(NamedTuple):
    file: str
    line: str
    source: list[str]

    @property
    def is_users(self) -> bool:
        """Say whether it is in code of the user's, or of a library that they use."""
        return not self.file.startswith((f"{_PACKAGE}/", "<frozen ")) and not self.file.endswith(
            "/importlib/__init__.py"
        )


def user_part(traceback: str, *, directory: Path) -> str:
    """Return file, line and source of each frame that is the user's, paths relative to ``directory``.

    Of an error with a cause the last traceback counts. Empty when no frame is the user's.
    """
    lines: list[str] = []
    for frame in _frames(traceback):
        if frame.is_users:
            lines.append(f"  {_shown(frame.file, directory)}, line {frame.line}")
            lines += [f"    {source}" for source in frame.source]
    return "\n".join(lines)


def last_line(traceback: str) -> str:
    """Return the line of a traceback that names the error, e.g. ``ValueError: no``."""
    named = [line for line in traceback.splitlines() if line and not line.startswith((" ", "Traceback "))]
    return named[-1] if named else ""


def _frames(traceback: str) -> Iterator[_Frame]:
    last = traceback.rpartition("Traceback (most recent call last):\n")[2]
    frame: _Frame | None = None
    for line in last.splitlines():
        place = _PLACE.match(line)
        if place is not None:
            if frame is not None:
                yield frame
            frame = _Frame(place["file"], place["line"], [])
        elif frame is not None and line.startswith("    ") and not (_MARKS.match(line) and frame.is_users is False):
            frame.source.append(line[4:])
    if frame is not None:
        yield frame


def _shown(file: str, directory: Path) -> str:
    path = Path(file)
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else file
