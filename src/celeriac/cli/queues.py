"""``celeriac queues``: how many messages wait where, and which."""

import time
from collections.abc import Sequence
from typing import Any

import click

from celeriac.cli.nodes import look_at_nodes
from celeriac.cli.output import duration, iso, print_json
from celeriac.cli.queue_sizes import look_at_queues, print_queues
from celeriac.cli.session import Session, pass_session
from celeriac.cli.tables import Column, print_table
from celeriac.protocol.identity import identity_of
from celeriac.protocol.message import Message

__all__ = ["queues"]


@click.command()
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Messages to show.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def queues(session: Session, name: str | None, limit: int, as_json: bool) -> None:
    """Show how many messages wait where.

    With NAME, shows the messages at the head of that queue. "ready" messages may be taken at once, "delayed" ones wait
    for their time, those "in flight" are with a node.
    """
    broker = session.broker()
    if name is not None:
        _show_messages(broker.peek(name, limit), name=name, session=session, as_json=as_json)
        return
    known = session.app().queues if session.names_app else session.queues_to_look_at(broker)
    found = look_at_queues(broker, look_at_nodes(broker, now=time.time()), also=known)
    if as_json:
        print_json([queue.plain() for queue in found])
    elif found:
        print_queues(found, no_color=session.no_color)
    else:
        click.echo(f"There are no queues at {broker.url} yet; the first message makes one.")


def _show_messages(messages: Sequence[Message], *, name: str, session: Session, as_json: bool) -> None:
    if as_json:
        print_json([_plain(message) for message in messages])
        return
    if not messages:
        click.echo(f"Nothing waits in queue {name}.")
        return
    now = time.time()
    columns = [
        Column(title="id", whole=True),
        Column(title="due", whole=True),
        Column(title="task and arguments", cut=True),
    ]
    rows = [
        [message.id, _due(message.not_before, now), f"{_task(message)}{_arguments(message)}"] for message in messages
    ]
    if any(message.priority is not None for message in messages):
        columns.insert(1, Column(title="priority", justify="right", whole=True))
        for row, message in zip(rows, messages, strict=True):
            row.insert(1, "" if message.priority is None else f"{message.priority}")
    print_table(columns, rows, no_color=session.no_color)


def _task(message: Message) -> str:
    return identity_of(message).task or "unknown"


def _due(not_before: float | None, now: float) -> str:
    return f"in {duration(not_before - now)}" if not_before is not None and not_before > now else "now"


def _arguments(message: Message) -> str:
    shown = (message.headers.get(name) for name in ("argsrepr", "kwargsrepr"))
    texts = [text for text in shown if isinstance(text, str) and text not in {"()", "{}", "[]"}]
    return f" {' '.join(texts)}" if texts else ""


def _plain(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "task": _task(message),
        "not_before": None if message.not_before is None else iso(message.not_before),
        "priority": message.priority,
        "args": message.headers.get("argsrepr"),
        "kwargs": message.headers.get("kwargsrepr"),
    }
