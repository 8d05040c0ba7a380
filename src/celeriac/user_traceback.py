"""The user's part of a traceback: where in their own code an error arose, in a few lines.

Works on the text of a traceback, because a worker's processes report theirs as text.
"""

import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["named_error", "user_part"]

_PACKAGE = str(Path(__file__).parent)
_PLACE = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_STANDARD_LIBRARY = f"{sysconfig.get_path('stdlib')}/"


class _Frame(NamedTuple):
    file: str
    line: str
    source: list[str]

    @property
    def is_library(self) -> bool:
        """Say whether it is in an installed library or in Python's own."""
        return (
            self.file.startswith(_STANDARD_LIBRARY) or "/site-packages/" in self.file or "dist-packages/" in self.file
        )

    @property
    def is_machinery(self) -> bool:
        """Say whether it is celeriac's, or Python's way to import."""
        is_import = self.file.startswith("<frozen ") or self.file.endswith("/importlib/__init__.py")
        return is_import or self.file.startswith(f"{_PACKAGE}/")


def user_part(traceback: str, *, directory: Path) -> str:
    """Return file, line and source of each frame that is the user's, paths relative to ``directory``.

    Of libraries only the frame that raised is shown. Of an error with a cause the last traceback counts. Empty when no
    frame is the user's.
    """
    frames = [frame for frame in _frames(traceback) if not frame.is_machinery]
    lines: list[str] = []
    for frame in frames:
        if frame is frames[-1] or not frame.is_library:
            lines.append(f"  {_shown(frame.file, directory)}, line {frame.line}")
            lines += [f"    {source}" for source in frame.source]
    return "\n".join(lines)


def named_error(traceback: str) -> str:
    """Return the line of a traceback that names the error, e.g. ``ValueError: no``."""
    return next((line for line in _last_part(traceback) if line and not line.startswith(" ")), "")


def _frames(traceback: str) -> Iterator[_Frame]:
    frame: _Frame | None = None
    for line in _last_part(traceback):
        place = _PLACE.match(line)
        if place is not None:
            if frame is not None:
                yield frame
            frame = _Frame(place["file"], place["line"], [])
        elif frame is not None and line.startswith("    "):
            frame.source.append(line[4:])
    if frame is not None:
        yield frame


def _last_part(traceback: str) -> list[str]:
    """Return the lines of the last of the tracebacks that belong together."""
    return traceback.rpartition("Traceback (most recent call last):\n")[2].splitlines()


def _shown(file: str, directory: Path) -> str:
    path = Path(file)
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else file
