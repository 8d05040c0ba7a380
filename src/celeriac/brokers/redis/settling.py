"""Ending deliveries: one script for a batch, with results and all that follows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from celeriac.backends.base import ResultBackend
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Outcome, Settlement
from celeriac.brokers.dead_letters import read_label
from celeriac.brokers.redis.dead_letters import letter_head
from celeriac.brokers.redis.exchanges import Exchanges
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.publisher import is_wrong_kind
from celeriac.brokers.redis.publishing import Placed, Places
from celeriac.brokers.redis.record import SCRIPTS
from celeriac.brokers.redis.shard import Shard
from celeriac.brokers.settling import ended_runs
from celeriac.exceptions import MessageRefused
from celeriac.protocol.message import Message
from celeriac.redis.errors import RedisRefused, RedisUnavailable
from celeriac.redis.packing import Argument, ScriptCall
from celeriac.redis.results import result_arguments, result_key
from celeriac.redis.scripts import load_script

__all__ = ["Settling"]

_OUTCOMES: Final[Mapping[Outcome, bytes]] = {
    Outcome.ACK: b"a",
    Outcome.REQUEUE: b"q",
    Outcome.REJECT: b"d",
    Outcome.REPLACE: b"n",
}


class Settling:
    """Ends the deliveries of one shard. Used by one thread.

    With results on the same server everything is one step. Elsewhere the results are stored first, if the deliveries
    are ours still, and the rest is one step: results may be stored twice, messages are never published twice.
    """

    def __init__(
        self,
        layout: Layout,
        shard: Shard,
        places: Places,
        exchanges: Exchanges,
        *,
        results: ResultBackend | None,
        beside: RedisBackend | None,
        database: int,
        publish_apart: Callable[[Sequence[Message]], None] | None = None,
    ) -> None:
        self._layout = layout
        self._shard = shard
        self._places = places
        self._exchanges = exchanges
        self._results = results
        #: The result backend, if it is on the same server.
        self._beside = beside
        self._database = database
        #: On a Cluster: follow-ups go to other nodes, before the rest.
        self._publish_apart = publish_apart
        #: The tags of deliveries whose follow-ups are published.
        self._published: set[str] = set()
        self._number = 0
        #: A settlement without an answer, and its number.
        self._unanswered: tuple[int, list[Settlement]] | None = None
        #: By tag, whether it was refused: what was found out later of settlements without an answer.
        self._answers: dict[str, bool] = {}

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """End deliveries; return those that were refused."""
        refused: list[Settlement] = []
        to_settle: dict[str, Settlement] = {}
        for settlement in settlements:
            tag = str(settlement.delivery.tag)
            if tag in to_settle or self._answers.get(tag, False):
                refused.append(settlement)
            elif tag not in self._answers:
                to_settle[tag] = settlement
            self._answers.pop(tag, None)
        if not to_settle:
            return refused
        ours = list(to_settle.values())
        if self._beside is None and (self._results is not None or self._publish_apart is not None):
            ours, others = self._part(ours)
            refused += others
            self._prepare(ours)
        return refused + self._end(ours) if ours else refused

    def remember(self, settlements: Sequence[Settlement], refused: Sequence[Settlement]) -> None:
        """Answer the same when they are settled once more: something else of their batch has failed."""
        for settlement in settlements:
            self._answers[str(settlement.delivery.tag)] = any(settlement is each for each in refused)

    def resolve(self) -> None:
        """Find out, on a new connection, what became of a settlement whose answer was lost."""
        if self._unanswered is None:
            return
        number, settlements = self._unanswered
        known: bytes = self._shard.line.connection.call(b"GET", self._shard.record.keys.settled) or b""
        last, _, positions = known.partition(b":")
        self._unanswered = None
        if last != b"%d" % number:
            return
        refused = {int(position) for position in positions.split(b",") if position}
        for position, settlement in enumerate(settlements):
            self._answers[str(settlement.delivery.tag)] = position in refused
        self._shard.record.forget(str(settlement.delivery.tag) for settlement in settlements)

    def _prepare(self, settlements: Sequence[Settlement]) -> None:
        """Store results that are elsewhere; then publish what the last step cannot."""
        stored = [settlement.result for settlement in settlements if settlement.result is not None]
        if stored and self._results is not None:
            self._results.store(stored)
        if self._publish_apart is not None:
            apart = [each for each in settlements if each.follow_ups and each.delivery.tag not in self._published]
            if apart:
                self._publish_apart([message for each in apart for message in each.follow_ups])
                self._published.update(str(each.delivery.tag) for each in apart)
        runs = ended_runs(settlements)
        if runs and self._results is not None:
            self._results.end_runs(runs)

    def _end(self, settlements: list[Settlement]) -> list[Settlement]:
        back = [settlement for settlement in settlements if settlement.outcome is Outcome.REQUEUE]
        if len(back) > 1:
            # The first taken is to be the first again, so it goes back last.
            back.sort(key=_number, reverse=True)
            settlements = [each for each in settlements if each.outcome is not Outcome.REQUEUE] + back
        call = self._call(settlements)
        self._number += 1
        try:
            positions = self._shard.line.connection.run(call)
        except RedisUnavailable as error:
            if error.maybe_done:
                self._unanswered = self._number - 1, settlements
            raise
        except RedisRefused as error:
            if is_wrong_kind(error):
                raise MessageRefused(str(error)) from error
            raise
        tags = [str(settlement.delivery.tag) for settlement in settlements]
        self._shard.record.forget(tags)
        self._published.difference_update(tags)
        return [settlements[position] for position in positions]

    def _call(self, settlements: Iterable[Settlement]) -> ScriptCall:
        keys = self._shard.record.keys
        beside = self._beside
        elsewhere = beside is not None and beside.location.database != self._database
        arguments: list[Argument] = [
            self._number,
            self._layout.prefix,
            beside.location.database if beside is not None and elsewhere else b"",
            self._database,
        ]
        touched: list[str] = []
        for settlement in settlements:
            tag = str(settlement.delivery.tag)
            arguments += (tag, _OUTCOMES[settlement.outcome])
            if settlement.outcome is Outcome.REQUEUE:
                touched.append(f"{self._layout.prefix}{tag.partition(':')[2]}")
            if settlement.outcome is Outcome.REJECT:
                label = read_label(settlement.delivery.envelope)
                arguments += (label.task_id, letter_head(settlement, label))
            placed = self._follow_ups(settlement)
            arguments.append(len(placed))
            for each, is_at_head in placed:
                arguments += each.arguments(at_head=is_at_head)
                touched.append(each.key)
            if settlement.result is None or beside is None:
                arguments.append(b"0")
            else:
                key = result_key(beside.prefix, settlement.result.task_id)
                arguments += (b"1", key, *result_arguments(settlement.result))
        if touched:
            self._shard.did(touched)
        return ScriptCall(
            load_script(SCRIPTS, "settle"),
            (keys.in_flight, keys.returned, keys.settled, *self._layout.dead(self._shard.queue)),
            arguments,
        )

    def _follow_ups(self, settlement: Settlement) -> list[tuple[Placed, bool]]:
        """Return what is published with a settlement, and whether it goes to the head."""
        placed: list[tuple[Placed, bool]] = []
        if settlement.outcome is Outcome.REPLACE:
            assert settlement.replacement is not None
            placed.append((self._places.replace(settlement.replacement, settlement.delivery.queue), True))
        if settlement.follow_ups and self._publish_apart is None:
            self._exchanges.declare_unknown(settlement.follow_ups)
            placed += [(each, False) for each in self._places.place(settlement.follow_ups)]
        return placed

    def _part(self, settlements: Sequence[Settlement]) -> tuple[list[Settlement], list[Settlement]]:
        """Return the settlements of deliveries that are ours still, and the others."""
        keys = self._shard.record.keys
        arguments = [self._layout.prefix, *[str(settlement.delivery.tag) for settlement in settlements]]
        reply = self._shard.line.connection.run(
            ScriptCall(load_script(SCRIPTS, "ours"), (keys.in_flight, keys.returned), arguments)
        )
        ours = [settlement for settlement, counts in zip(settlements, reply, strict=True) if counts]
        others = [settlement for settlement, counts in zip(settlements, reply, strict=True) if not counts]
        self._shard.record.forget(str(settlement.delivery.tag) for settlement in others)
        return ours, others


def _number(settlement: Settlement) -> int:
    return int(str(settlement.delivery.tag).partition(":")[0])
