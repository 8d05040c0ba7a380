"""One dead letter, read for people."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from celeriac.brokers.base import DeadLetter
from celeriac.cli.output import as_json, iso
from celeriac.exceptions import SerializationError, TaskError, UnreadableMessage
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.protocol.task_call import TaskCall, decode_task

__all__ = ["describe", "plain"]

#: Bytes of a body nobody can read that are shown.
_SHOWN = 200
#: Columns of the names, and of a line on a wide terminal.
_WIDTH = 10
_LINE = 100


def describe(letter: DeadLetter) -> str:
    """Return all that is known of it, as lines."""
    return "\n".join(_lines(letter))


def plain(letter: DeadLetter, *, whole: bool = False) -> dict[str, Any]:
    """Return it for JSON; with headers and arguments if ``whole``."""
    facts: dict[str, Any] = {
        "id": letter.id,
        "task": letter.task,
        "queue": letter.queue,
        "died_at": iso(letter.died_at),
        "reason": letter.reason,
    }
    if not whole:
        return facts
    message, call = _read(letter)
    return facts | {
        "headers": message.headers if message is not None else None,
        "args": list(call.args) if call is not None else None,
        "kwargs": dict(call.kwargs) if call is not None else None,
        "content_type": message.content_type if message is not None else None,
        "size": len(letter.envelope),
    }


def _lines(letter: DeadLetter) -> Iterator[str]:
    message, call = _read(letter)
    yield _fact("id", letter.id or "unreadable")
    yield _fact("task", letter.task or "unknown")
    yield _fact("queue", letter.queue)
    yield _fact("died", iso(letter.died_at))
    yield _fact("reason", letter.reason)
    if message is None:
        yield _fact("envelope", f"{len(letter.envelope)} bytes that nobody can read: {_excerpt(letter.envelope)}")
        return
    if call is not None:
        yield _fact("args", as_json(call.args))
        yield _fact("kwargs", as_json(call.kwargs))
    else:
        body = f"{len(message.body)} bytes of {message.content_type}, not decoded: {_excerpt(message.body)}"
        yield _fact("body", body)
    yield click.style("headers", bold=True)
    known = {name: value for name, value in message.headers.items() if value not in (None, "", [], {})}
    width = max((len(name) for name in known), default=0)
    for name, value in known.items():
        yield f"  {name.ljust(width)}  {value if isinstance(value, str) else as_json(value)}"


def _read(letter: DeadLetter) -> tuple[Message | None, TaskCall | None]:
    """Return as much of it as can be read. Only JSON is decoded: other content may be somebody's code."""
    try:
        message = envelopes.decode(letter.envelope)
    except UnreadableMessage:
        return None, None
    try:
        return message, decode_task(message, {"application/json"})
    except (SerializationError, TaskError):
        return message, None


def _fact(name: str, text: str) -> str:
    if sys.stdout.isatty():
        width = min(_LINE, shutil.get_terminal_size().columns) - _WIDTH
        text = f"\n{' ' * _WIDTH}".join(textwrap.wrap(text, width, break_on_hyphens=False) or [""])
    return f"{click.style(name.ljust(_WIDTH), bold=True)}{text}"


def _excerpt(data: bytes) -> str:
    return repr(data[:_SHOWN]) + (" ..." if len(data) > _SHOWN else "")
