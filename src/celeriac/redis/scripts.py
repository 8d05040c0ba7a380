"""The scripts that run inside the server, by name. Each is a file with its contract on top."""

import hashlib
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["Script", "load_script"]

#: Where the pieces lie that several scripts share.
_SHARED = "celeriac.redis.lua"


class Script(NamedTuple):
    """A script; the server knows it by the digest of its text."""

    name: str
    text: bytes
    digest: bytes


@cache
def load_script(package: str, name: str) -> Script:
    """Return the script ``name.lua`` of a package. A line ``-- include NAME`` in it stands for a shared piece."""
    text = _without_comments(_read(package, name)).encode()
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def _read(package: str, name: str) -> str:
    text = resources.files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return re.sub(r"^-- include (\w+)$", lambda found: _read(_SHARED, found[1]), text, flags=re.MULTILINE)


def _without_comments(text: str) -> str:
    """Drop whole-line comments and empty lines: they need not travel."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))
