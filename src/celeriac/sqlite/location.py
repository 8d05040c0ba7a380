"""Where a database is and how it is kept, from a URL."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["Location"]

_SYNCHRONOUS = ("normal", "full", "extra")
_OPTIONS = ("synchronous",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A database file; ``path`` is absolute."""

    path: Path
    #: ``normal``: a crash of a process loses nothing, a power cut may take the last commits. ``full``: nor that.
    synchronous: str = "normal"

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> "Location":
        """Read ``sqlite:////absolute/path``, ``sqlite:///relative/path`` or ``sqlite:///~/path``.

        Relative is to the current directory. Raises ``ImproperlyConfigured``.
        """
        parts = urlsplit(url)
        if parts.netloc:
            raise ImproperlyConfigured(
                f"{url!r} has two slashes where SQLite needs three: "
                f"write sqlite:///{parts.netloc}{parts.path} for a path relative to the current directory, "
                f"or sqlite:////{parts.netloc}{parts.path} for an absolute one."
            )
        path = unquote(parts.path.removeprefix("/"))
        if not path or path == ":memory:":
            raise ImproperlyConfigured(
                f"{url!r} names no file: write for example sqlite:///celeriac.sqlite3, "
                "or memory:// for messages that only this process sees."
            )
        if "\0" in path:
            raise ImproperlyConfigured("The path of the SQLite file contains a NUL character (%00); remove it.")
        # What the URL says wins; options for other engines are none of our business.
        chosen = {name: value for name, value in options.items() if name in _OPTIONS}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name not in _OPTIONS:
                close = difflib.get_close_matches(name, _OPTIONS, n=1)
                guess = f" Did you mean {close[0]!r}?" if close else ""
                raise ImproperlyConfigured(f"{url!r} has the unknown option {name!r}.{guess}")
            chosen[name] = value
        synchronous = str(chosen.get("synchronous", "normal")).lower()
        if synchronous not in _SYNCHRONOUS:
            choices = ", ".join(_SYNCHRONOUS)
            raise ImproperlyConfigured(f"synchronous is {synchronous!r} in {url!r}; it must be one of: {choices}.")
        return cls(path=Path(path).expanduser().absolute(), synchronous=synchronous)

    @property
    def url(self) -> str:
        """The URL of exactly this file."""
        suffix = "" if self.synchronous == "normal" else f"?synchronous={self.synchronous}"
        return f"sqlite:///{quote(str(self.path))}{suffix}"

    @property
    def live_directory(self) -> Path:
        """Where processes keep what lives as long as they do: lock files and bells."""
        return self.path.with_name(f"{self.path.name}-live")
