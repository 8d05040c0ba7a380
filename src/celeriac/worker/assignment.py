"""An assignment: one delivery as the node handles it, from the broker's hand to its settlement."""

import enum

from msgspec import Struct, structs

from celeriac.brokers.base import Delivery
from celeriac.exceptions import UnreadableMessage
from celeriac.protocol import envelope
from celeriac.protocol.identity import identity_of
from celeriac.worker.frames import TaskFacts, Verdict

__all__ = ["Assignment", "LaneKind", "assign"]


class LaneKind(enum.IntEnum):
    """The two kinds of slots in a child."""

    DEF = 0
    ASYNC = 1


class Assignment(Struct, frozen=True, kw_only=True):
    """A delivery, with what the node has read of its head."""

    delivery: Delivery
    task_id: str
    #: None for a message that names none.
    task_name: str | None
    lane: LaneKind
    #: Acked before it starts (``acks_late=False``): a lost child is a failure, never a second run.
    acked_early: bool = False
    #: An explicit ``False`` makes a lost child a failure at once; None redelivers.
    reject_on_worker_lost: bool | None = None
    #: Executions so far that ended with the death of their child.
    crashes: int = 0
    #: Runs alone: it was one of several running in a child that died.
    suspect: bool = False
    #: Set: it does not run, but ends like this.
    verdict: Verdict | None = None
    #: It runs only while its id is held in the result store (``Runs``).
    once: bool = False
    #: It runs until another run has replaced it.
    replaceable: bool = False

    @property
    def asks(self) -> bool:
        """The result store says whether it runs."""
        return self.once or self.replaceable

    @property
    def run(self) -> str | None:
        """What of it is held (``Settlement.run``)."""
        return self.task_id if self.once else None

    def with_verdict(self, verdict: Verdict) -> "Assignment":
        """Return it with its end decided; it may be reported by any child, beside others."""
        return structs.replace(self, verdict=verdict, suspect=False)


def assign(
    delivery: Delivery, tasks: dict[str, TaskFacts], *, has_async_lanes: bool = True, holds_runs: bool = False
) -> Assignment:
    """Read a delivery's head; raises ``UnreadableMessage``.

    ``has_async_lanes`` is False when the children have none: the app had no ``async def`` task when the node began. One
    that has come with a reload runs in a ``def`` slot. ``holds_runs`` is what the result store can.
    """
    head = envelope.decode_head(delivery.envelope)
    name, task_id = head.task_name, head.id
    if name is None:
        name, task_id = _identity(delivery, task_id)
    facts = tasks.get(name) if name is not None else None
    crashes = head.headers.crashes
    if not isinstance(crashes, int):
        raise UnreadableMessage(f"The header celeriac-crashes of message {head.id} is {crashes!r}, not a number.")
    return Assignment(
        delivery=delivery,
        task_id=task_id,
        task_name=name,
        lane=LaneKind.ASYNC if has_async_lanes and facts is not None and facts.is_async else LaneKind.DEF,
        acked_early=facts is not None and not facts.acks_late,
        reject_on_worker_lost=facts.reject_on_worker_lost if facts is not None else None,
        crashes=crashes,
        suspect=bool(head.headers.suspect),
        once=holds_runs and bool(head.headers.once),
        replaceable=holds_runs and bool(head.headers.replaceable),
    )


def _identity(delivery: Delivery, task_id: str) -> tuple[str | None, str]:
    """Return the name and the id that a message of protocol 1 has in its body."""
    identity = identity_of(envelope.decode(delivery.envelope))
    return identity.task or None, identity.id or task_id
