"""Checks of what goes on: whether somebody runs what waits."""

import time
from collections.abc import Iterable, Iterator, Sequence

from celeriac.brokers.base import Broker
from celeriac.checks.finding import Finding, Grade
from celeriac.cli.nodes import NodeView, look_at_nodes
from celeriac.cli.output import ago, count_of
from celeriac.cli.queue_sizes import QueueView, look_at_queues
from celeriac.version import __version__

__all__ = ["check_work"]

#: Dead letters that are counted.
_COUNTED = 1000


def check_work(broker: Broker, *, worker_command: str, queues_known: Iterable[str] = ()) -> Iterator[Finding]:
    """Look at nodes, queues and dead letters; the broker is open. ``worker_command`` starts a worker.

    ``queues_known`` are looked at besides those that the broker lists.
    """
    nodes = look_at_nodes(broker, now=time.time())
    queues = look_at_queues(broker, nodes, also=queues_known)
    yield from _nodes(nodes, worker_command)
    yield from _queues(queues, nodes, worker_command)
    yield from _dead_letters(broker)


def _nodes(nodes: Sequence[NodeView], worker_command: str) -> Iterator[Finding]:
    running = [node for node in nodes if node.is_running]
    if not running:
        yield Finding(Grade.NOTE, f"No node is running: tasks wait until one does. Start one: {worker_command}")
    for node in running:
        if node.report is None:
            yield Finding(Grade.NOTE, f"{node.record.name} is running and has not said yet what it does.")
            continue
        queues = ", ".join(node.report.queues)
        yield Finding(
            Grade.OK, f"{node.record.name} is running: {count_of(node.report.concurrency, 'slot')}, queues {queues}."
        )
        if node.report.version != __version__:
            yield Finding(
                Grade.NOTE,
                f"{node.record.name} is celeriac {node.report.version}, and this is {__version__}. That is fine during "
                "an update.",
            )
    for node in nodes:
        if not node.is_running:
            yield Finding(Grade.NOTE, f"{node.record.name} is {node.state}; what it had goes to the other nodes.")


def _queues(queues: Sequence[QueueView], nodes: Sequence[NodeView], worker_command: str) -> Iterator[Finding]:
    somebody_runs = any(node.is_running for node in nodes)
    for queue in queues:
        waiting = count_of(queue.waiting, "message")
        if queue.nodes and queue.waiting:
            yield Finding(Grade.OK, f"{waiting} in queue {queue.name}, which a node takes from.")
        elif queue.waiting:
            cure = f"{worker_command} -Q {queue.name}" if somebody_runs else worker_command
            wait = "waits" if queue.waiting == 1 else "wait"
            yield Finding(
                Grade.WRONG,
                f"{waiting} {wait} in queue {queue.name}, and no running node takes from it. Start one: {cure}",
            )
        if queue.size.in_flight and not somebody_runs:
            yield Finding(
                Grade.WRONG,
                f"{count_of(queue.size.in_flight, 'message')} of queue {queue.name} were with a node that is no more. "
                f"They run again as soon as a node is there: {worker_command}",
            )


def _dead_letters(broker: Broker) -> Iterator[Finding]:
    letters = broker.dead_letters(_COUNTED)
    if not letters:
        yield Finding(Grade.OK, "There are no dead letters.")
        return
    number = count_of(len(letters), "dead letter")
    if len(letters) == _COUNTED:
        number = f"at least {number}"
    newest = letters[0]
    task = newest.task or "a message that nobody can read"
    yield Finding(
        Grade.WRONG,
        f"There {'is' if len(letters) == 1 else 'are'} {number}, the newest ({ago(newest.died_at, time.time())}) of "
        f"{task}: {newest.reason} Look at them with celeriac dead list; retry or purge them.",
    )
