"""Commands as they go over the wire, and scripts among them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import hiredis

from celeriac.redis.scripts import Script

__all__ = ["Argument", "Command", "Reply", "ScriptCall", "pack"]

Argument: TypeAlias = bytes | str | int | float
#: What the server answers: bytes, integers, None, and lists and dictionaries of these. Never text.
Reply: TypeAlias = Any

#: Turns a command into bytes.
pack: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub is wrong


class ScriptCall(NamedTuple):
    """A script with what it is called with."""

    script: Script
    keys: Sequence[Argument] = ()
    arguments: Sequence[Argument] = ()

    def by_digest(self) -> tuple[Argument, ...]:
        """Return the command for a server that knows the script."""
        return (b"EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments)

    def by_text(self) -> tuple[Argument, ...]:
        """Return the command that also makes the script known."""
        return (b"EVAL", self.script.text, len(self.keys), *self.keys, *self.arguments)


Command: TypeAlias = ScriptCall | tuple[Argument, ...]
